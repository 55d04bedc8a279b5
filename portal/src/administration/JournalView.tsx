import { Table, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { administrationApi } from '../api/administration';
import { Empty } from '../shared/Empty';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { Pages } from './Pages';

const t = texts.administration;
const PAGE = 50;

/** Every log-in, failure and change of accounts. */
export function JournalView() {
  const [search, setSearch] = useState('');
  const [asked] = useDebouncedValue(search, 300);
  const [page, setPage] = useState(0);
  const query = useQuery({
    queryKey: ['journal', asked, page],
    queryFn: () => administrationApi.journal(asked, PAGE, page * PAGE),
    placeholderData: (before) => before,
  });
  return (
    <>
      <Text c="dimmed" size="sm" mb="sm">
        {t.journalHint}
      </Text>
      <TextInput
        type="search"
        label={t.searchJournal}
        w={260}
        mb="md"
        value={search}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
          setPage(0);
        }}
      />
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.isPending && <Loading />}
      {query.data?.total === 0 && <Empty title={t.noEvent} />}
      {query.data && query.data.total > 0 && (
        <Table.ScrollContainer minWidth={640} type="native" role="region" aria-label={t.parts.journal} tabIndex={0}>
          <Table className="listing" aria-label={t.parts.journal}>
            <Headings names={t.journalColumns} />
            <Table.Tbody>
              {query.data.items.map((event) => (
                <Table.Tr key={event.number}>
                  <Table.Td>{new Date(event.at).toLocaleString(locale)}</Table.Td>
                  <Table.Td>{event.actor}</Table.Td>
                  <Table.Td>
                    {event.what}
                    {event.detail && (
                      <Text size="xs" c="dimmed">
                        {event.detail}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>{event.about}</Table.Td>
                  <Table.Td>{event.address}</Table.Td>
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
