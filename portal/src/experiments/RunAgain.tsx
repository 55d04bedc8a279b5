import { Alert, Anchor, Button, List, Text, Tooltip } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';

import { api, type Experiment } from '../api/client';
import { Icon } from '../shared/Icon';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.experiments.again;

/** Asks the same again of the data as they are now, and goes to the new experiment. */
export function useRunAgain(id: string) {
  const client = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: () => api.rerun(id),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ['experiments'] });
      void navigate(`/experiments/${made.id}`);
    },
  });
}

export function RunAgainButton({ again }: { again: ReturnType<typeof useRunAgain> }) {
  return (
    <Tooltip label={t.hint} multiline w={240}>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="again" size={13} />}
        loading={again.isPending}
        onClick={() => again.mutate()}
      >
        {t.run}
      </Button>
    </Tooltip>
  );
}

/** In words, how the datasets have moved since an experiment ran; undefined until it is known. */
export function useMoved(experiment: Experiment): string[] | undefined {
  const model = experiment.request.inputdata.data_model;
  const present = useQuery({
    queryKey: ['datasets', model],
    queryFn: () => api.datasets(model),
    enabled: Boolean(experiment.provenance),
    retry: false,
  });
  return (
    present.data &&
    (experiment.provenance?.snapshots ?? []).flatMap((used) => {
      const now = present.data.find(({ code, site }) => code === used.dataset && site === used.site);
      if (now?.hash === used.hash) return [];
      return [now ? t.version(used.dataset, used.version, now.version) : t.gone(used.dataset)];
    })
  );
}

/** Whether the datasets have moved since an experiment ran, and where it comes from itself. */
export function DataNow({ experiment, again }: { experiment: Experiment; again: ReturnType<typeof useRunAgain> }) {
  const moved = useMoved(experiment) ?? [];
  return (
    <>
      {experiment.origin && (
        <Text size="sm" c="dimmed">
          {t.of}{' '}
          <Anchor component={Link} to={`/experiments/${experiment.origin}`} underline="always">
            {t.former}
          </Anchor>
          .
        </Text>
      )}
      <ProblemAlert error={again.error} />
      {moved.length > 0 && (
        <Alert variant="light" color="blue" title={t.moved} role="note" className="problem">
          <List size="sm">
            {moved.map((line) => (
              <List.Item key={line}>{line}</List.Item>
            ))}
          </List>
          <Text size="sm" mt="xs">
            {t.movedHint}
          </Text>
        </Alert>
      )}
    </>
  );
}
