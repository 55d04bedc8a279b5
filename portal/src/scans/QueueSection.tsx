import { Alert, Anchor, Badge, Button, Group, Progress, Table, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';

import { scansApi, type QueueChange, type QueueStanding, type ScanJob } from '../api/scans';
import { Section } from '../inbox/Section';
import { Headings } from '../shared/Headings';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.scans.queue;
const LOOK_EVERY = 2_000;
const colours: Record<ScanJob['state'], string> = {
  waiting: 'gray',
  running: 'blue',
  cancelling: 'orange',
  done: 'teal',
  failed: 'red',
  cancelled: 'gray',
};

/** The scans that are to be measured: how far it is, how fast it goes, when it ends, and what can be changed. */
export function QueueSection() {
  const client = useQueryClient();
  const query = useQuery({ queryKey: ['scan-queue'], queryFn: scansApi.queue, refetchInterval: LOOK_EVERY });
  const change = useMutation({
    mutationFn: ({ what, scans }: { what: QueueChange; scans: string[] | null }) => scansApi.changeQueue(what, scans),
    onSuccess: () => client.invalidateQueries({ queryKey: ['scan-queue'] }),
  });
  if (!query.data) return <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  const { standing, jobs } = query.data;
  const ask = (what: QueueChange, scans: string[] | null = null) => change.mutate({ what, scans });
  const open = standing.waiting + standing.running;
  const shown = jobs.filter(({ state }) => state !== 'done' && state !== 'cancelled');
  return (
    <Section title={t.title}>
      <Standing standing={standing} />
      <Group gap="sm">
        <Button size="xs" loading={change.isPending} onClick={() => ask('measure')}>
          {t.measure}
        </Button>
        {standing.failed > 0 && (
          <Button size="xs" variant="default" onClick={() => ask('retry')}>
            {t.retryAll}
          </Button>
        )}
        {open > 0 && (
          <Button size="xs" variant="default" onClick={() => ask('cancel')}>
            {t.cancelAll}
          </Button>
        )}
      </Group>
      <div aria-live="polite">
        <ProblemAlert error={change.error} />
        {change.data && <Text size="sm">{t.changed(change.data.changed)}</Text>}
      </div>
      {shown.length > 0 && <Jobs jobs={shown} ask={ask} />}
    </Section>
  );
}

function Standing({ standing }: { standing: QueueStanding }) {
  const open = standing.waiting + standing.running;
  const total = open + standing.done + standing.failed;
  if (total === 0 && !standing.held) {
    return (
      <Text size="sm" c="dimmed">
        {t.empty}
      </Text>
    );
  }
  const ends = standing.ends && new Date(standing.ends).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
  return (
    <>
      <Progress.Root size="lg">
        <Progress.Section value={(100 * standing.done) / Math.max(total, 1)} color="teal" aria-label={t.title} />
        <Progress.Section value={(100 * standing.failed) / Math.max(total, 1)} color="red" aria-label={t.states.failed} />
      </Progress.Root>
      <Text size="sm">{t.counts(standing.done, total, standing.running, standing.waiting, standing.failed)}</Text>
      {typeof standing.hourly === 'number' && ends && <Text size="sm">{t.rate(standing.hourly, ends)}</Text>}
      {open > 0 && !standing.working && <Text size="sm">{t.idle}</Text>}
      {standing.held && (
        <Alert color="yellow" variant="light" title={t.held}>
          {standing.held.split('\n').map((line) => (
            <Text key={line} size="sm">
              {line}
            </Text>
          ))}
        </Alert>
      )}
    </>
  );
}

function Jobs({ jobs, ask }: { jobs: ScanJob[]; ask: (what: QueueChange, scans: string[]) => void }) {
  return (
    <Table.ScrollContainer minWidth={560} type="native" role="region" aria-label={t.jobs} tabIndex={0}>
      <Table className="listing" aria-label={t.jobs}>
        <Headings names={t.columns} />
        <Table.Tbody>
          {jobs.map((job) => (
            <Table.Tr key={job.scan}>
              <Table.Td>
                <Badge color={colours[job.state]} variant="light" className={`state ${job.state}`}>
                  {t.states[job.state]}
                </Badge>
              </Table.Td>
              <Table.Td>
                <Anchor component={Link} to={`/scans/${encodeURIComponent(job.scan)}`} size="sm" className="mono">
                  {job.scan}
                </Anchor>
                {job.trouble.split('\n').map((line) => (
                  <Text key={line} size="sm">
                    {line}
                  </Text>
                ))}
              </Table.Td>
              <Table.Td>{job.step && (texts.review.steps.names[job.step] ?? job.step)}</Table.Td>
              <Table.Td>
                <Group gap="xs" wrap="nowrap">
                  {job.state === 'waiting' && (
                    <Button size="compact-xs" variant="default" aria-label={t.firstOf(job.scan)} onClick={() => ask('first', [job.scan])}>
                      {t.first}
                    </Button>
                  )}
                  {job.state === 'failed' && (
                    <Button size="compact-xs" variant="default" aria-label={t.retryOf(job.scan)} onClick={() => ask('retry', [job.scan])}>
                      {t.retry}
                    </Button>
                  )}
                  {job.state !== 'cancelling' && (
                    <Button size="compact-xs" variant="default" aria-label={t.cancelOf(job.scan)} onClick={() => ask('cancel', [job.scan])}>
                      {t.cancel}
                    </Button>
                  )}
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
