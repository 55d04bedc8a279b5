import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { api, type State, type Summary } from '../api/client';

export function hasEnded(state: State): boolean {
  return state !== 'queued' && state !== 'running';
}

/** An experiment and, while it runs, its news: pushed by the server, else asked for every 3 s. */
export function useExperiment(id: string) {
  const client = useQueryClient();
  const [news, setNews] = useState<Summary | null>(null);
  const query = useQuery({
    queryKey: ['experiment', id],
    queryFn: () => api.experiment(id),
    // The stream of events may be cut by a proxy; asking now and then never is.
    refetchInterval: ({ state }) => (state.data && !hasEnded(state.data.state) ? 3000 : false),
  });
  const running = query.data !== undefined && !hasEnded(query.data.state);
  useEffect(() => {
    if (!running) return;
    const events = new EventSource(`/api/v1/experiments/${encodeURIComponent(id)}/events`);
    events.addEventListener('progress', (event: MessageEvent<string>) =>
      setNews(JSON.parse(event.data) as Summary),
    );
    events.addEventListener('end', () => {
      events.close();
      void client.invalidateQueries({ queryKey: ['experiment', id] });
      void client.invalidateQueries({ queryKey: ['experiments'] });
    });
    return () => events.close();
  }, [id, running, client]);
  const current = running && news?.id === id ? news : query.data;
  return { query, running, state: current?.state, progress: current?.progress, sites: current?.sites ?? [] };
}
