import { Code, Group, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { api } from '../api/client';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { texts } from '../texts/en';

const t = texts.datasets;

/** What is published, in which version. */
export function DatasetsPage() {
  const query = useQuery({ queryKey: ['datasets'], queryFn: () => api.datasets() });
  return (
    <div className="page">
      <Title order={1} fz="h2" mb="md">
        {t.title}
      </Title>
      {query.isPending && <Loading />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data?.length === 0 && (
        <Text c="dimmed">
          {t.empty} {texts.workspace.howToImport} <Code>dementia:1.0</Code>
        </Text>
      )}
      {query.data && query.data.length > 0 && (
        <Table highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              {t.columns.map((column) => (
                <Table.Th key={column} scope="col">
                  {column}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {query.data.map((dataset) => (
              <Table.Tr key={`${dataset.model}/${dataset.code}`}>
                <Table.Td>
                  <Group gap={6}>
                    {dataset.label} {dataset.synthetic && <SyntheticBadge />}
                  </Group>
                  <Text size="xs" c="dimmed">
                    {dataset.source}
                  </Text>
                </Table.Td>
                <Table.Td>{dataset.model}</Table.Td>
                <Table.Td>{dataset.patients.toLocaleString('en')}</Table.Td>
                <Table.Td>{dataset.records.toLocaleString('en')}</Table.Td>
                <Table.Td>{dataset.variables.length}</Table.Td>
                <Table.Td>{dataset.version}</Table.Td>
                <Table.Td>{new Date(dataset.published).toLocaleString('en-GB')}</Table.Td>
                <Table.Td>
                  <Code title={dataset.hash}>{dataset.hash.slice(0, 12)}</Code>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </div>
  );
}
