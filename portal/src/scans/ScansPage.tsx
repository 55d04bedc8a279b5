import { Box, Button, Group, Select, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useSearchParams } from 'react-router';

import { scansApi, type Standing, type Verdict } from '../api/scans';
import { Empty } from '../shared/Empty';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { PublicationSection } from './PublicationSection';
import { QueueSection } from './QueueSection';
import { ScanInbox } from './ScanInbox';
import { ScanTable } from './ScanTable';

const t = texts.scans;
const PAGE = 25;
const LOOK_EVERY = 5_000;
const STANDINGS = Object.keys(texts.review.standings) as Standing[];

/** What became of every scan, newest first, and what still lies in the inbox for scans. */
export function ScansPage() {
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  // Whoever is sent here to review finds those that wait by the address.
  const [asked, setAsked] = useSearchParams();
  const standing = STANDINGS.find((one) => one === asked.get('standing')) ?? null;
  const [page, setPage] = useState(0);
  const query = useQuery({
    queryKey: ['scans', verdict, standing, page],
    queryFn: () => scansApi.scans(verdict, standing, PAGE, page * PAGE),
    placeholderData: (before) => before,
    refetchInterval: LOOK_EVERY,
  });
  const inbox = useQuery({ queryKey: ['scan-inbox'], queryFn: scansApi.inbox, refetchInterval: LOOK_EVERY });
  const total = query.data?.total ?? 0;
  const pages = Math.ceil(total / PAGE);
  return (
    <div className="page">
      <title>{`${t.title} · ${texts.brand}`}</title>
      <Group justify="space-between" align="flex-end" mb="md">
        <div>
          <Title order={1} fz="1.55rem">
            {t.title}
          </Title>
          <Text c="dimmed" size="sm">
            {t.intro}
          </Text>
        </div>
        <Group gap="sm">
          <Select
            aria-label={texts.review.standing}
            placeholder={texts.review.anyStanding}
            clearable
            w={220}
            data={STANDINGS.map((value) => ({ value, label: texts.review.standings[value] }))}
            value={standing}
            onChange={(value) => {
              setAsked(value === null ? {} : { standing: value }, { replace: true });
              setPage(0);
            }}
          />
          <Select
            aria-label={t.verdict}
            placeholder={t.any}
            clearable
            w={150}
            data={Object.entries(t.verdicts).map(([value, label]) => ({ value, label }))}
            value={verdict}
            onChange={(value) => {
              setVerdict(value as Verdict | null);
              setPage(0);
            }}
          />
        </Group>
      </Group>
      {query.isPending && <Loading />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      <ProblemAlert error={inbox.error} onRetry={() => void inbox.refetch()} />
      {inbox.data && inbox.data.length > 0 && <ScanInbox items={inbox.data} />}
      {query.data && total > 0 && (
        <Box mb="lg">
          <QueueSection />
        </Box>
      )}
      {query.data?.total === 0 && (verdict || standing ? <Empty title={t.noMatch} /> : <Empty title={t.empty} hint={t.emptyHint} />)}
      {query.data && total > 0 && <ScanTable scans={query.data.items} />}
      {pages > 1 && (
        <Group mt="md" justify="center">
          <Button size="xs" variant="default" disabled={page === 0} onClick={() => setPage(page - 1)}>
            {t.previous}
          </Button>
          <Text size="sm">{t.of(page * PAGE + 1, Math.min(total, (page + 1) * PAGE), total)}</Text>
          <Button size="xs" variant="default" disabled={page + 1 >= pages} onClick={() => setPage(page + 1)}>
            {t.next}
          </Button>
        </Group>
      )}
      {query.data && total > 0 && (
        <Box mt="lg">
          <PublicationSection />
        </Box>
      )}
    </div>
  );
}
