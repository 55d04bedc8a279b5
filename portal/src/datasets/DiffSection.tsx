import { Group, Select, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { dataApi, type Diff, type VersionEntry } from '../api/data';
import { Section } from '../inbox/Section';
import { Loading } from '../shared/Loading';
import { decimal } from '../shared/number';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.stewardship.diff;
const MOST_MOVED = 10;

/** What changed from one version to another. */
export function DiffSection({ model, dataset, versions }: { model: string; dataset: string; versions: VersionEntry[] }) {
  const numbers = versions.map((version) => version.version);
  const [before, setBefore] = useState(numbers.at(-2) ?? 0);
  const [after, setAfter] = useState(numbers.at(-1) ?? 0);
  const query = useQuery({
    queryKey: ['diff', model, dataset, before, after],
    queryFn: () => dataApi.diff(model, dataset, before, after),
    enabled: before > 0,
  });
  if (versions.length < 2)
    return (
      <Section title={t.title}>
        <Text size="sm">{t.one}</Text>
      </Section>
    );
  const data = numbers.map(String);
  return (
    <Section title={t.title}>
      <Group>
        <Select label={t.before} w={130} data={data} value={String(before)} allowDeselect={false} onChange={(one) => setBefore(Number(one))} />
        <Select label={t.after} w={130} data={data} value={String(after)} allowDeselect={false} onChange={(one) => setAfter(Number(one))} />
      </Group>
      {query.isPending && <Loading lines={3} />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data && <Changes diff={query.data} />}
    </Section>
  );
}

function Changes({ diff }: { diff: Diff }) {
  const told = (count: Diff['added']) =>
    count === null ? t.notComparable : count.told === null ? t.fewer(count.minimum) : count.told.toLocaleString(locale);
  return (
    <>
      <dl className="facts">
        {([['added', diff.added], ['changed', diff.changed], ['gone', diff.gone]] as const).map(([key, count]) => (
          <div key={key} style={{ display: 'contents' }}>
            <dt>{t[key]}</dt>
            <dd>{told(count)}</dd>
          </div>
        ))}
        {diff.new_variables.length > 0 && (
          <>
            <dt>{t.newVariables}</dt>
            <dd>{diff.new_variables.join(', ')}</dd>
          </>
        )}
        {diff.gone_variables.length > 0 && (
          <>
            <dt>{t.goneVariables}</dt>
            <dd>{diff.gone_variables.join(', ')}</dd>
          </>
        )}
      </dl>
      {diff.moved.length > 0 && (
        <>
          <Title order={3} fz="h5">
            {t.moved}
          </Title>
          <Table className="listing" aria-label={t.moved} w="fit-content">
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">{t.columns.variable}</Table.Th>
                <Table.Th scope="col" ta="right" title={t.hint}>
                  {t.columns.psi}
                </Table.Th>
                <Table.Th scope="col" ta="right">
                  {t.columns.mean}
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {diff.moved.slice(0, MOST_MOVED).map((one) => (
                <Table.Tr key={one.code}>
                  <Table.Td>{one.code}</Table.Td>
                  <Table.Td ta="right">{decimal(one.psi, 3)}</Table.Td>
                  <Table.Td ta="right">{one.moved === null ? '' : t.sd(one.moved)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </>
      )}
    </>
  );
}
