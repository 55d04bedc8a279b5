import { Alert, Badge, Button, Group, Select, Table, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { administrationApi } from '../api/administration';
import { Empty } from '../shared/Empty';
import { Headings } from '../shared/Headings';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { save } from '../shared/save';
import { locale, texts } from '../texts/texts';
import { Pages } from './Pages';

const t = texts.administration;
const PAGE = 50;
const VERDICTS: Record<string, string | undefined> = t.verdicts;
const COLOURS: Record<string, string> = { released: 'teal', refused: 'red' };

/** Every release and refusal: searched, checked for changes, and kept as a file. */
export function LedgerView() {
  const [search, setSearch] = useState('');
  const [asked] = useDebouncedValue(search, 300);
  const [verdict, setVerdict] = useState<string | null>(null);
  const [page, setPage] = useState(0);
  const query = useQuery({
    queryKey: ['ledger', asked, verdict, page],
    queryFn: () => administrationApi.ledger(asked, verdict ?? '', PAGE, page * PAGE),
    placeholderData: (before) => before,
  });
  const check = useMutation({ mutationFn: administrationApi.checkLedger });
  const keep = useMutation({
    mutationFn: administrationApi.ledgerFile,
    onSuccess: (file) => save(file, 'ledger.csv'),
  });
  return (
    <>
      <Text c="dimmed" size="sm" mb="sm">
        {t.ledgerHint}
      </Text>
      <Group align="end" mb="md">
        <TextInput
          type="search"
          label={t.searchLedger}
          w={260}
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            setPage(0);
          }}
        />
        <Select
          label={t.verdict}
          placeholder={t.any}
          clearable
          w={150}
          data={Object.entries(t.verdicts).map(([value, label]) => ({ value, label }))}
          value={verdict}
          onChange={(chosen) => {
            setVerdict(chosen);
            setPage(0);
          }}
        />
        <Button variant="default" loading={check.isPending} onClick={() => check.mutate()}>
          {t.check}
        </Button>
        <Button
          variant="default"
          leftSection={<Icon name="download" size={14} />}
          loading={keep.isPending}
          onClick={() => keep.mutate()}
        >
          {t.keep}
        </Button>
      </Group>
      {check.data && (
        <Alert mb="md" role="status" color={check.data.broken === null ? 'teal' : 'red'}>
          {check.data.broken === null
            ? t.whole(check.data.rows.toLocaleString(locale))
            : t.broken(check.data.broken.toLocaleString(locale))}
        </Alert>
      )}
      <ProblemAlert error={check.error ?? keep.error} />
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.isPending && <Loading />}
      {query.data?.total === 0 && <Empty title={t.noRow} />}
      {query.data && query.data.total > 0 && (
        <Table.ScrollContainer minWidth={640} type="native" role="region" aria-label={t.parts.ledger} tabIndex={0}>
          <Table className="listing" aria-label={t.parts.ledger}>
            <Headings names={t.ledgerColumns} />
            <Table.Tbody>
              {query.data.items.map((row) => (
                <Table.Tr key={row.number}>
                  <Table.Td>{row.number.toLocaleString(locale)}</Table.Td>
                  <Table.Td>{new Date(row.at).toLocaleString(locale)}</Table.Td>
                  <Table.Td>{row.user}</Table.Td>
                  <Table.Td>
                    {row.algorithm}
                    {row.statistic && (
                      <Text size="xs" c="dimmed">
                        {row.statistic}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>
                    <Badge variant="light" tt="none" className="state" color={COLOURS[row.verdict] ?? 'gray'}>
                      {VERDICTS[row.verdict] ?? row.verdict}
                    </Badge>
                  </Table.Td>
                  <Table.Td>
                    {row.reason || row.rule}
                    {row.suppressed > 0 && ` ${t.withheld(row.suppressed)}`}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <Pages page={page} size={PAGE} total={query.data?.total ?? 0} onTurn={setPage} />
    </>
  );
}
