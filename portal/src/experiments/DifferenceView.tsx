import { Badge, Card, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { api, type Difference, type TablePair } from '../api/client';
import { shownValue } from '../results/format';
import { formatOf } from '../results/ResultTable';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.experiments.difference;
/** Columns beyond which the two values stand below each other. */
const WIDE = 4;

/** An experiment beside a former or another one: what moved in the data, and what that did. */
export function DifferenceView({ id, other }: { id: string; other: string }) {
  const query = useQuery({ queryKey: ['difference', id, other], queryFn: () => api.difference(id, other) });
  if (!query.data) {
    return query.isPending ? <Loading /> : <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />;
  }
  const found = query.data;
  const moved = found.tables.filter((table) => table.changed > 0);
  const same = found.tables.filter((table) => table.changed === 0);
  const at = (moment: string) => new Date(moment).toLocaleString(locale);
  return (
    <Stack gap="xl">
      <div>
        <Title order={2} fz="lg">
          {t.title}
        </Title>
        <Text size="sm" c="dimmed">
          {t.intro(at(found.before.created), at(found.after.created))}
        </Text>
        {!found.same_request && (
          <Text size="sm" mt="xs" fw={550}>
            {t.otherRequest}
          </Text>
        )}
      </div>
      <Data found={found} />
      {moved.length === 0 && <Text fw={550}>{t.unmoved}</Text>}
      {moved.map((table, place) => (
        <PairTable key={place} table={table} />
      ))}
      {moved.length > 0 && same.length > 0 && (
        <Text size="sm" c="dimmed">
          {t.unchanged([...new Set(same.map(titleOf))].join(', '))}
        </Text>
      )}
    </Stack>
  );
}

/** Which versions of which datasets, how many patients, which software. */
function Data({ found: { before, after, datasets } }: { found: Difference }) {
  const count = (value: number | undefined) => value?.toLocaleString(locale) ?? '';
  const facts = [
    [t.patients, count(before.provenance?.patients), count(after.provenance?.patients)],
    [t.records, count(before.provenance?.records), count(after.provenance?.records)],
    [t.software, before.provenance?.software ?? '', after.provenance?.software ?? ''],
  ] as const;
  const row = (name: string, one: string, other: string, moved: boolean) => (
    <Table.Tr key={name}>
      <Table.Th scope="row">{name}</Table.Th>
      <Table.Td>{one}</Table.Td>
      <Table.Td>{other}</Table.Td>
      <Table.Td>{moved ? <Badge variant="light" tt="none">{t.moved}</Badge> : <Text size="sm" c="dimmed">{t.same}</Text>}</Table.Td>
    </Table.Tr>
  );
  return (
    <Card withBorder maw="52rem">
      <Title order={3} className="eyebrow">
        {t.datasets}
      </Title>
      <Table.ScrollContainer minWidth={420}>
        <Table verticalSpacing={4} aria-label={t.datasets} className="listing">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">{t.columns.dataset}</Table.Th>
              <Table.Th scope="col">{t.columns.before}</Table.Th>
              <Table.Th scope="col">{t.columns.after}</Table.Th>
              <Table.Td />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {datasets.map((part) =>
              row(
                part.site ? `${part.site}: ${part.dataset}` : part.dataset,
                part.before ? t.version(part.before.version) : t.none,
                part.after ? t.version(part.after.version) : t.none,
                part.moved,
              ),
            )}
            {facts.map(([name, one, other]) => row(name, one, other, one !== other))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

/** One table of both results: where two values stand, the first was, the second is. */
function PairTable({ table }: { table: TablePair }) {
  const title = titleOf(table);
  return (
    <section className="result">
      <Text fw={600}>{title}</Text>
      <Text size="xs" c="dimmed" mb={4}>
        {t.rows(table.changed, table.rows.length)}
      </Text>
      <Table.ScrollContainer minWidth={320}>
        <Table className={`result-table pair ${table.columns.length > WIDE ? 'high' : ''}`} verticalSpacing={4} aria-label={`${t.tab}: ${title}`}>
          <Table.Thead>
            <Table.Tr>
              {table.columns.map(({ key, label, format }) => (
                <Table.Th key={key} scope="col" className={format === 'text' ? '' : 'number'}>
                  {label}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {table.rows.map(({ before, after, changed }, place) => (
              <Table.Tr key={place} className={changed ? '' : 'faint'}>
                {table.columns.map(({ key, format }, column) => {
                  const shown = (row: typeof before) => (row ? shownValue(row[key], formatOf(row, format)) : '');
                  const [one, other] = [shown(before), shown(after)];
                  // Two values that read alike are told once, however their last digits differ.
                  const both = before !== null && after !== null && one !== other;
                  return (
                    <Table.Td key={key} className={format === 'text' ? '' : 'number'}>
                      {both ? (
                        <>
                          <span className="was">
                            {one}
                            {t.arrow}
                          </span>
                          <span className="is">{other}</span>
                        </>
                      ) : (
                        (after ? other : one)
                      )}
                      {column === 0 && (before === null || after === null) && (
                        <Badge ml={6} size="xs" variant="light" color="gray" tt="none">
                          {before ? t.only.before : t.only.after}
                        </Badge>
                      )}
                    </Table.Td>
                  );
                })}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function titleOf({ analysis, title }: TablePair): string {
  return analysis ? `${analysis}: ${title}` : title;
}
