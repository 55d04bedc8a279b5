import { Anchor, Button, Card, CopyButton, Group, Progress, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';

import { api, type Experiment, type Summary } from '../api/client';
import { Views } from '../results/Views';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { texts } from '../texts/en';
import { fromDocument, inWords } from '../workspace/filter';
import { reopen } from '../workspace/selection';
import { allVariables } from '../workspace/variables';
import { StateBadge } from './StateBadge';

const t = texts.experiment;
const ended = (state: string) => state !== 'queued' && state !== 'running';

/** One experiment at its own address: what was asked, how far it is, what came out. */
export function ExperimentScreen() {
  const { id = '' } = useParams();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [live, setLive] = useState<Summary | null>(null);
  const query = useQuery({
    queryKey: ['experiment', id],
    queryFn: () => api.experiment(id),
    // The stream of events may be cut by a proxy; asking now and then never is.
    refetchInterval: ({ state }) => (state.data && !ended(state.data.state) ? 3000 : false),
  });
  const running = query.data !== undefined && !ended(query.data.state);
  useEffect(() => {
    if (!running) return;
    const events = new EventSource(`/api/v1/experiments/${encodeURIComponent(id)}/events`);
    events.addEventListener('progress', (event: MessageEvent<string>) =>
      setLive(JSON.parse(event.data) as Summary),
    );
    events.addEventListener('end', () => {
      events.close();
      void client.invalidateQueries({ queryKey: ['experiment', id] });
      void client.invalidateQueries({ queryKey: ['experiments'] });
    });
    return () => events.close();
  }, [id, running, client]);
  const cancel = useMutation({
    mutationFn: () => api.cancel(id),
    onSettled: () => client.invalidateQueries({ queryKey: ['experiment', id] }),
  });

  if (query.isPending) return <Loading />;
  if (query.error) {
    return (
      <div className="page">
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      </div>
    );
  }
  const experiment = query.data;
  const state = running && live ? live.state : experiment.state;
  const progress = running && live ? live.progress : experiment.progress;
  return (
    <div className="page">
      <Anchor component={Link} to="/experiments" size="sm">
        ← {t.list}
      </Anchor>
      <Group justify="space-between" align="flex-end" mt="xs" mb="md">
        <Name experiment={experiment} />
        <Group gap="xs">
          <Button
            size="xs"
            variant="default"
            onClick={() => {
              reopen(experiment.request);
              void navigate('/');
            }}
          >
            {t.again}
          </Button>
          <CopyButton value={JSON.stringify(experiment.request, null, 2)}>
            {({ copied, copy }) => (
              <Button size="xs" variant="default" onClick={copy}>
                {copied ? t.copied : t.copyRequest}
              </Button>
            )}
          </CopyButton>
          <Button size="xs" variant="default" onClick={() => download(experiment)}>
            {t.download}
          </Button>
        </Group>
      </Group>
      <Group gap="sm" mb="md">
        <StateBadge state={state} />
        <Text size="sm" c="dimmed">
          {new Date(experiment.created).toLocaleString('en-GB')}
          {typeof experiment.duration === 'number' && ` · ${t.seconds(experiment.duration)}`}
        </Text>
      </Group>
      {running && (
        <Card withBorder mb="lg" role="status">
          <Group justify="space-between">
            <Text size="sm">{state === 'queued' ? t.waiting : progress.message}</Text>
            <Button size="xs" variant="light" color="red" onClick={() => cancel.mutate()} loading={cancel.isPending}>
              {t.cancel}
            </Button>
          </Group>
          <Progress mt="xs" animated value={state === 'queued' ? 0 : 100 * (progress.fraction ?? 1)} aria-label={t.results} />
          <ProblemAlert error={cancel.error} />
        </Card>
      )}
      {experiment.state === 'cancelled' && <Text>{t.cancelled}</Text>}
      {experiment.problem && (
        <ProblemAlert
          color={experiment.state === 'refused' ? 'orange' : 'red'}
          problem={{ ...experiment.problem, errors: [] }}
        />
      )}
      <Asked experiment={experiment} />
      {experiment.result && <Views views={experiment.result.views} />}
      {experiment.provenance && (
        <Card withBorder mt="xl">
          <Title order={2} fz="h5" mb={4}>
            {t.provenance}
          </Title>
          <Text size="sm">
            {experiment.provenance.software}, {experiment.algorithm} {experiment.provenance.algorithm_version};{' '}
            {experiment.provenance.patients.toLocaleString('en')} patients, {experiment.provenance.records.toLocaleString('en')}{' '}
            records analysed, {experiment.provenance.excluded.toLocaleString('en')} left out for missing values.
          </Text>
          {experiment.provenance.snapshots.map((part) => (
            <Text size="xs" c="dimmed" key={part.dataset}>
              {part.dataset} version {part.version} · <code>{part.hash.slice(0, 16)}</code>
            </Text>
          ))}
        </Card>
      )}
    </div>
  );
}

function Name({ experiment }: { experiment: Experiment }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<string | null>(null);
  const rename = useMutation({
    mutationFn: (name: string) => api.rename(experiment.id, name),
    onSuccess: (after) => {
      client.setQueryData(['experiment', experiment.id], after);
      void client.invalidateQueries({ queryKey: ['experiments'] });
      setDraft(null);
    },
  });
  const keep = () => {
    const name = draft?.trim();
    if (name && name !== experiment.name) rename.mutate(name);
    else setDraft(null);
  };
  return (
    <Title order={1} fz="h2" style={{ flex: 1, minWidth: '16rem' }}>
      <TextInput
        variant="unstyled"
        aria-label={t.rename}
        value={draft ?? experiment.name}
        maxLength={200}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={keep}
        onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()}
        styles={{ input: { fontSize: 'inherit', fontWeight: 'inherit', height: 'auto' } }}
        error={rename.error?.message}
      />
    </Title>
  );
}

function Asked({ experiment }: { experiment: Experiment }) {
  const data = experiment.request.inputdata;
  const model = useQuery({
    queryKey: ['model', data.data_model],
    queryFn: () => api.model(data.data_model),
    retry: false,
  });
  const published = useQuery({ queryKey: ['datasets', data.data_model], queryFn: () => api.datasets(data.data_model) });
  const variables = model.data ? allVariables(model.data) : null;
  const label = (code: string) => variables?.get(code)?.label || code;
  const filter = fromDocument(data.filters);
  const parameters = Object.entries(experiment.request.parameters ?? {});
  return (
    <Card withBorder my="lg">
      <dl className="facts">
        <dt>{t.algorithm}</dt>
        <dd>{experiment.algorithm}</dd>
        <dt>{texts.workspace.datasets}</dt>
        <dd>
          <Group gap="sm">
            {data.datasets.map((code) => (
              <Group gap={4} key={code}>
                {code}
                {published.data?.some((dataset) => dataset.code === code && dataset.synthetic) && <SyntheticBadge />}
              </Group>
            ))}
          </Group>
        </dd>
        <dt>{texts.analysis.y}</dt>
        <dd>{(data.y ?? []).map(label).join(', ')}</dd>
        {(data.x ?? []).length > 0 && (
          <>
            <dt>{texts.analysis.x}</dt>
            <dd>{(data.x ?? []).map(label).join(', ')}</dd>
          </>
        )}
        <dt>{texts.analysis.filter}</dt>
        <dd>{filter ? inWords(filter, label) : texts.analysis.noFilter}</dd>
        {parameters.map(([name, value]) => (
          <Stack gap={0} key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{typeof value === 'string' ? value : JSON.stringify(value)}</dd>
          </Stack>
        ))}
      </dl>
    </Card>
  );
}

function download(experiment: Experiment) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(experiment, null, 2)], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `experiment-${experiment.id}.json`;
  link.click();
  URL.revokeObjectURL(url);
}
