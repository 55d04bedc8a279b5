import { Anchor, Code, Group, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { api, type DatasetEntry } from '../api/client';
import { dataApi } from '../api/data';
import { useVisit } from '../people/Gate';
import { Empty } from '../shared/Empty';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { locale, texts } from '../texts/texts';
import { Hospitals } from './Hospitals';

const t = texts.datasets;
const NUMBERS = new Set(['patients', 'records', 'variables', 'version']);

/** What is published, in which version. */
export function DatasetsPage() {
  const visit = useVisit();
  const manages = visit?.step === 'in' && visit.rights.includes('manage_data');
  const query = useQuery({ queryKey: ['datasets', 'page', manages], queryFn: () => listed(manages) });
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
      {query.data?.length === 0 && <Empty title={t.empty} hint={t.hint} />}
      {query.data && query.data.length > 0 && (
        <Table highlightOnHover className="listing" aria-label={t.title}>
          <Headings names={t.columns} right={NUMBERS} />
          <Table.Tbody>
            {query.data.map((dataset) => (
              <Table.Tr key={`${dataset.model}/${dataset.code}`}>
                <Table.Td>
                  <Group gap={6} wrap="nowrap" fw={550}>
                    {manages && !dataset.site ? (
                      <Anchor
                        component={Link}
                        to={`/datasets/${encodeURIComponent(dataset.model)}/${encodeURIComponent(dataset.code)}`}
                        fw={550}
                        size="sm"
                        aria-label={t.manage(dataset.label)}
                      >
                        {dataset.label}
                      </Anchor>
                    ) : (
                      dataset.label
                    )}{' '}
                    {dataset.synthetic && <SyntheticBadge />}
                  </Group>
                  <Text size="xs" c="dimmed">
                    {dataset.site || dataset.source}
                  </Text>
                </Table.Td>
                <Table.Td>{dataset.model}</Table.Td>
                <Table.Td ta="right">{dataset.patients.toLocaleString(locale)}</Table.Td>
                <Table.Td ta="right">{dataset.records.toLocaleString(locale)}</Table.Td>
                <Table.Td ta="right">{dataset.variables.length}</Table.Td>
                <Table.Td ta="right">{dataset.version}</Table.Td>
                <Table.Td>{new Date(dataset.published).toLocaleString(locale)}</Table.Td>
                <Table.Td>
                  <Code title={dataset.hash}>{dataset.hash.slice(0, 12)}</Code>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <Hospitals />
    </div>
  );
}

/** What the caller may analyse; for a data manager also what its policy keeps for others. */
async function listed(manages: boolean): Promise<DatasetEntry[]> {
  const seen = await api.datasets();
  if (!manages) return seen;
  const known = new Set(seen.filter((one) => !one.site).map((one) => `${one.model}/${one.code}`));
  const hidden = (await dataApi.published()).filter((one) => !known.has(`${one.model}/${one.dataset}`));
  return [
    ...seen,
    ...hidden.map((one) => ({
      code: one.dataset,
      label: one.dataset,
      model: one.model,
      records: one.records,
      patients: one.patients,
      variables: Array.from({ length: one.variables }, () => ''),
      version: one.version,
      published: one.published,
      source: one.source,
      synthetic: one.synthetic,
      hash: one.hash,
      site: '',
      approximate: false,
    })),
  ].toSorted((one, other) => `${one.model}/${one.code}`.localeCompare(`${other.model}/${other.code}`));
}
