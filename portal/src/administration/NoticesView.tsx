import { Alert, Badge, Button, Group, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { administrationApi, type NoticeEntry, type NoticeWay } from '../api/administration';
import { Empty } from '../shared/Empty';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.administration.notices;
const WAYS: Record<string, string | undefined> = t.ways;
const STATES: Record<string, string | undefined> = t.states;
const COLOURS: Record<string, string> = { sent: 'teal', waiting: 'orange', 'given up': 'red' };
const LOOK_EVERY = 5_000;

/** Who is told of what, without secrets; what became of the last notices; a test. */
export function NoticesView() {
  const client = useQueryClient();
  const query = useQuery({ queryKey: ['notices'], queryFn: administrationApi.notices, refetchInterval: LOOK_EVERY });
  const test = useMutation({
    mutationFn: administrationApi.testNotices,
    onSuccess: () => client.invalidateQueries({ queryKey: ['notices'] }),
  });
  const seen = query.data;
  return (
    <>
      <Text c="dimmed" size="sm" mb="sm">
        {t.hint}
      </Text>
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.isPending && <Loading />}
      {seen?.ways.length === 0 && <Empty title={t.nobody} hint={t.nobodyHint} />}
      {seen && seen.ways.length > 0 && (
        <>
          <Ways ways={seen.ways} />
          <Text size="sm" mt="xs" mb="md">
            {t.summary(seen.summary_minutes)}
          </Text>
          <Group mb="lg">
            <Button variant="default" loading={test.isPending} onClick={() => test.mutate()}>
              {t.test}
            </Button>
            {test.isSuccess && <Alert color="teal" role="status">{t.tested}</Alert>}
          </Group>
          <ProblemAlert error={test.error} />
        </>
      )}
      {seen && seen.deliveries.length > 0 && (
        <section aria-labelledby="deliveries">
          <Title order={2} fz="lg" id="deliveries">
            {t.last}
          </Title>
          <Text size="sm" mb="sm">
            {t.counts(seen.waiting, seen.sent, seen.given_up)}
          </Text>
          <Deliveries entries={seen.deliveries} />
        </section>
      )}
    </>
  );
}

function Ways({ ways }: { ways: NoticeWay[] }) {
  return (
    <Table.ScrollContainer minWidth={520} type="native" role="region" aria-label={t.who} tabIndex={0}>
      <Table className="listing" aria-label={t.who}>
        <Headings names={t.wayColumns} />
        <Table.Tbody>
          {ways.map((way) => (
            <Table.Tr key={way.name}>
              <Table.Td>{WAYS[way.name] ?? way.name}</Table.Td>
              <Table.Td>{way.reaches || t.hidden}</Table.Td>
              <Table.Td>{way.events.join(', ') || t.all}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Deliveries({ entries }: { entries: NoticeEntry[] }) {
  return (
    <Table.ScrollContainer minWidth={640} type="native" role="region" aria-label={t.last} tabIndex={0}>
      <Table className="listing" aria-label={t.last}>
        <Headings names={t.columns} />
        <Table.Tbody>
          {entries.map((entry) => (
            <Table.Tr key={`${entry.event} ${entry.channel}`}>
              <Table.Td>{new Date(entry.at).toLocaleString(locale)}</Table.Td>
              <Table.Td>
                {entry.kind}
                {entry.count > 1 && ` (${entry.count.toLocaleString(locale)})`}
              </Table.Td>
              <Table.Td>{WAYS[entry.channel] ?? entry.channel}</Table.Td>
              <Table.Td>
                <Badge variant="light" color={COLOURS[entry.state]}>
                  {STATES[entry.state] ?? entry.state}
                </Badge>
              </Table.Td>
              <Table.Td>
                {entry.problem}
                {entry.problem && entry.due && (
                  <Text size="xs" c="dimmed">
                    {t.again(entry.attempts, new Date(entry.due).toLocaleTimeString(locale))}
                  </Text>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
