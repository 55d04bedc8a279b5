import { Anchor, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { dataApi, type InboxEntry } from '../api/data';
import { Empty } from '../shared/Empty';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { AskFiles } from './AskFiles';
import { ItemBadge } from './ItemBadge';
import { kindOf, problemsOf, rowsOf } from './item';

const t = texts.inbox;
const LOOK_EVERY = 1_000;

/** What lies in the inbox, as it changes. */
export function InboxPage() {
  const query = useQuery({ queryKey: ['inbox'], queryFn: dataApi.inbox, refetchInterval: LOOK_EVERY });
  return (
    <div className="page">
      <title>{`${t.title} · ${texts.brand}`}</title>
      <Title order={1} fz="1.55rem">
        {t.title}
      </Title>
      <Text c="dimmed" size="sm" mb="md">
        {t.intro}
      </Text>
      {query.isPending && <Loading />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data?.length === 0 && <Empty title={t.empty} hint={t.emptyHint} />}
      {query.data && query.data.length > 0 && (
        <>
          <Files items={query.data} />
          <AskFiles />
        </>
      )}
    </div>
  );
}

function Files({ items }: { items: InboxEntry[] }) {
  return (
    <Table highlightOnHover className="listing" aria-label={t.title}>
      <Headings names={t.columns} right={['rows']} />
      <Table.Tbody>
        {items.map((item) => (
          <Table.Tr key={item.name}>
            <Table.Td>
              <Anchor component={Link} to={`/inbox/${encodeURIComponent(item.name)}`} fw={550} size="sm">
                {item.name}
              </Anchor>
              <Text size="xs" c="dimmed">
                {t.bytes(item.size)}
              </Text>
            </Table.Td>
            <Table.Td>
              <ItemBadge item={item} />
            </Table.Td>
            <Table.Td ta="right">{item.tables.length > 0 ? rowsOf(item).toLocaleString(locale) : ''}</Table.Td>
            <Table.Td>
              {item.choice ? item.choice.model : <Text span size="sm" c="dimmed">{t.notChosen}</Text>}
              {item.choice && (
                <Text size="xs" c="dimmed">
                  {kindOf(item)}
                </Text>
              )}
            </Table.Td>
            <Table.Td className="clipped">{problemsOf(item)}</Table.Td>
            <Table.Td>{lastOf(item)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function lastOf(item: InboxEntry): string {
  const last = item.published.at(-1);
  return last ? t.version(last.dataset, last.version) : '';
}
