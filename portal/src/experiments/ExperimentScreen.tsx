import { Anchor, Button, Card, CopyButton, Group, Menu, Progress, Stack, Tabs, Text, Title, Tooltip } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Fragment } from 'react';
import { Link, useNavigate, useParams } from 'react-router';

import { api, type Experiment } from '../api/client';
import { CohortOf } from '../cohort/CohortOf';
import { useVisit } from '../people/Gate';
import { Answers } from '../results/Answers';
import { WriteUp } from '../results/WriteUp';
import { Empty } from '../shared/Empty';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { save } from '../shared/save';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { locale, texts } from '../texts/texts';
import { reopen } from '../workspace/selection';
import { Comments } from './Comments';
import { DifferenceOf } from './DifferenceOf';
import { ExperimentName } from './ExperimentName';
import { RequestSummary } from './RequestSummary';
import { DataNow, RunAgainButton, useRunAgain } from './RunAgain';
import { ShareButton, SharedWith } from './ShareButton';
import { SiteTable } from './SiteTable';
import { StarButton } from './StarButton';
import { StateBadge } from './StateBadge';
import { Tags } from './Tags';
import { hasEnded, useExperiment } from './useExperiment';

const t = texts.experiment;
const w = texts.writeUp;

/** One experiment at its own address: what was asked, how far it is, what came out. */
export function ExperimentScreen() {
  const { id = '' } = useParams();
  const client = useQueryClient();
  const visit = useVisit();
  const { query, running, state, progress, sites } = useExperiment(id);
  const cancel = useMutation({
    mutationFn: () => api.cancel(id),
    onSettled: () => client.invalidateQueries({ queryKey: ['experiment', id] }),
  });
  const model = useMutation({
    mutationFn: async ({ format, analysis }: Wanted) => {
      const file = await api.modelFile(id, format, analysis);
      save(file, `model-${id.slice(0, 8)}${analysis > 1 ? `-${analysis}` : ''}.${format}`);
    },
  });
  const again = useRunAgain(id);
  const experiment = query.data;

  if (!experiment) {
    return (
      <div className="page">
        <BackToList />
        {query.isPending && <Loading />}
        <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      </div>
    );
  }
  return (
    <div className="page">
      <title>{`${experiment.name} · ${texts.brand}`}</title>
      <BackToList />
      <Group justify="space-between" align="center" mt={4} gap="xs" className="headline">
        <Group gap={4} wrap="nowrap" align="center" flex="1 1 20rem">
          <StarButton id={experiment.id} name={experiment.name} starred={experiment.starred} size={20} />
          <ExperimentName experiment={experiment} />
        </Group>
        <Actions experiment={experiment} again={again} onModel={(what) => model.mutate(what)} />
      </Group>
      <ProblemAlert error={model.error} />
      <Group gap="sm" mb="lg">
        <StateBadge state={state ?? experiment.state} />
        <Text size="sm" c="dimmed">
          {new Date(experiment.created).toLocaleString(locale)}
          {typeof experiment.duration === 'number' && ` · ${t.seconds(experiment.duration)}`}
          {!experiment.mine && ` · ${texts.experiments.by(experiment.user)}`}
        </Text>
      </Group>
      <div className="experiment">
        <Stack gap="xl">
          {running && (
            <Card withBorder role="status">
              <Group justify="space-between">
                <Text size="sm">{state === 'queued' ? t.waiting : progress?.message || t.working}</Text>
                {experiment.mine && (
                  <Button
                    size="xs"
                    variant="light"
                    color="red"
                    onClick={() => cancel.mutate()}
                    loading={cancel.isPending}
                  >
                    {t.cancel}
                  </Button>
                )}
              </Group>
              <Progress
                mt="xs"
                animated
                value={state === 'queued' ? 0 : 100 * (progress?.fraction ?? 1)}
                aria-label={t.progress}
              />
              <ProblemAlert error={cancel.error} />
            </Card>
          )}
          {running && <SiteTable sites={sites} />}
          {running && sites.length === 0 && <Loading lines={8} />}
          {experiment.state === 'cancelled' && <Empty title={t.states.cancelled} hint={t.cancelled} />}
          {experiment.problem && (
            <ProblemAlert
              color={experiment.state === 'refused' ? 'orange' : 'red'}
              problem={{ ...experiment.problem, errors: [] }}
            />
          )}
          <DataNow experiment={experiment} again={again} />
          {experiment.result && (
            <Tabs defaultValue="results" keepMounted={false}>
              <Tabs.List aria-label={w.tabs} mb="lg">
                <Tabs.Tab value="results">{w.results}</Tabs.Tab>
                <Tabs.Tab value="cohort">{texts.cohort.tab}</Tabs.Tab>
                <Tabs.Tab value="write-up">{w.title}</Tabs.Tab>
                <Tabs.Tab value="difference">{texts.experiments.difference.tab}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="results">
                <Answers outcome={experiment.result} first={experiment.result.label} />
              </Tabs.Panel>
              <Tabs.Panel value="difference">
                <DifferenceOf id={id} origin={experiment.origin ?? null} />
              </Tabs.Panel>
              <Tabs.Panel value="cohort">
                <CohortOf experiment={experiment} />
              </Tabs.Panel>
              <Tabs.Panel value="write-up">
                <WriteUp id={id} />
              </Tabs.Panel>
            </Tabs>
          )}
          {!running && <SiteTable sites={experiment.sites} />}
          <Comments id={id} />
        </Stack>
        <Stack component="aside" gap="lg" aria-label={t.request}>
          <Card withBorder>
            <Title order={2} className="eyebrow">
              {t.request}
            </Title>
            <RequestSummary request={experiment.request} />
          </Card>
          <Card withBorder>
            <Title order={2} className="eyebrow">
              {texts.experiments.tags.title}
            </Title>
            <Tags experiment={experiment} />
            {visit && visit.kind !== 'open' && (
              <>
                <Title order={2} className="eyebrow" mt="sm">
                  {texts.experiments.sharing.title}
                </Title>
                <SharedWith experiment={experiment} />
              </>
            )}
          </Card>
          {experiment.provenance && <Provenance provenance={experiment.provenance} />}
        </Stack>
      </div>
    </div>
  );
}

function BackToList() {
  return (
    <Anchor component={Link} to="/experiments" size="sm" className="back">
      <Icon name="back" size={13} /> {t.back}
    </Anchor>
  );
}

interface Wanted {
  format: 'json' | 'onnx';
  analysis: number;
}

function Actions({
  experiment,
  again,
  onModel,
}: {
  experiment: Experiment;
  again: ReturnType<typeof useRunAgain>;
  onModel: (wanted: Wanted) => void;
}) {
  const navigate = useNavigate();
  const algorithms = useQuery({ queryKey: ['algorithms'], queryFn: api.algorithms, staleTime: Infinity });
  // A name that the algorithm gave is not kept: another algorithm may be chosen.
  const given = algorithms.data?.some(({ label }) => label === experiment.name);
  const answers = experiment.result ? [experiment.result, ...experiment.result.compared] : [];
  const models = answers.flatMap(({ data, label }, place) => ('model' in data ? [{ label, analysis: place + 1 }] : []));
  return (
    <Group gap="xs" role="group" aria-label={texts.experiments.actions}>
      <Button
        size="xs"
        onClick={() => {
          reopen(experiment.request, given ? '' : experiment.name);
          void navigate('/');
        }}
      >
        {t.again}
      </Button>
      {hasEnded(experiment.state) && <RunAgainButton again={again} />}
      {experiment.shares && <ShareButton experiment={experiment} />}
      <CopyButton value={JSON.stringify(experiment.request, null, 2)}>
        {({ copied, copy }) => (
          <Tooltip label={t.copyHint}>
            <Button size="xs" variant="default" leftSection={<Icon name="copy" size={13} />} onClick={copy}>
              {copied ? t.copied : t.copyRequest}
            </Button>
          </Tooltip>
        )}
      </CopyButton>
      {models.length > 0 && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="xs" variant="default" leftSection={<Icon name="download" size={13} />}>
              {t.model}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {models.map(({ label, analysis }) => (
              <Fragment key={analysis}>
                {models.length > 1 && <Menu.Label>{label}</Menu.Label>}
                <Menu.Item onClick={() => onModel({ format: 'json', analysis })}>{t.asJson}</Menu.Item>
                <Menu.Item onClick={() => onModel({ format: 'onnx', analysis })}>{t.asOnnx}</Menu.Item>
              </Fragment>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="download" size={13} />}
        onClick={() => download(experiment)}
      >
        {t.download}
      </Button>
    </Group>
  );
}

function Provenance({ provenance }: { provenance: NonNullable<Experiment['provenance']> }) {
  const number = (value: number) => value.toLocaleString(locale);
  return (
    <Card withBorder>
      <Title order={2} className="eyebrow">
        {t.provenance}
      </Title>
      <dl className="facts">
        <dt>{t.patients}</dt>
        <dd>{number(provenance.patients)}</dd>
        <dt>{t.records}</dt>
        <dd>{number(provenance.records)}</dd>
        <dt>{t.excluded}</dt>
        <dd>{number(provenance.excluded)}</dd>
        <dt>{t.software}</dt>
        <dd>{provenance.software}</dd>
        <dt>{t.version}</dt>
        <dd>{provenance.algorithm_version}</dd>
        {provenance.sites.length > 0 && (
          <>
            <dt>{t.hospitals}</dt>
            <dd>{provenance.sites.map((site) => site.name).join(', ')}</dd>
            <dt>{t.secure}</dt>
            <dd>{provenance.secure_aggregation ? t.secureYes : t.secureNo}</dd>
          </>
        )}
        {provenance.lost.length > 0 && (
          <>
            <dt>{t.lost}</dt>
            <dd>{provenance.lost.join(', ')}</dd>
          </>
        )}
      </dl>
      {provenance.snapshots.map((part) => (
        <Text size="xs" c="dimmed" key={part.dataset} mt={4} title={part.hash}>
          {part.site && `${part.site}: `}
          {t.snapshot(part.dataset, part.version)} <span className="mono">{part.hash.slice(0, 12)}</span>{' '}
          {part.synthetic && <SyntheticBadge />}
        </Text>
      ))}
    </Card>
  );
}

function download(experiment: Experiment) {
  save(new Blob([JSON.stringify(experiment, null, 2)], { type: 'application/json' }), `experiment-${experiment.id}.json`);
}
