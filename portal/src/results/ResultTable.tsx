import { CopyButton, Button, Group, Table, Text } from '@mantine/core';

import type { TableView } from '../api/client';
import { texts } from '../texts/en';
import { shownValue } from './format';

/** A result's table: rounded to read, exact when pointed at or copied. */
export function ResultTable({ table }: { table: TableView }) {
  const tsv = [
    table.columns.map((column) => column.label).join('\t'),
    ...table.rows.map((row) =>
      table.columns.map((column) => plain(row[column.key])).join('\t'),
    ),
  ].join('\n');
  return (
    <section>
      <Group justify="space-between" mb={4} align="baseline" wrap="nowrap">
        <Text fw={600}>{table.title}</Text>
        <CopyButton value={tsv}>
          {({ copied, copy }) => (
            <Button size="compact-xs" variant="subtle" onClick={copy} aria-label={`${table.title}: ${texts.experiment.copyTable}`}>
              {copied ? texts.experiment.copied : texts.experiment.copyTable}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Table.ScrollContainer minWidth={320}>
        <Table className="result-table" highlightOnHover verticalSpacing={4} aria-label={table.title}>
          <Table.Thead>
            <Table.Tr>
              {table.columns.map((column) => (
                <Table.Th key={column.key} scope="col" className={column.format === 'text' ? '' : 'number'}>
                  {column.label}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {table.rows.map((row, index) => (
              <Table.Tr key={index}>
                {table.columns.map((column) => {
                  const value: unknown = row[column.key];
                  const format = column.format;
                  return (
                    <Table.Td
                      key={column.key}
                      className={format === 'text' ? '' : 'number'}
                      title={typeof value === 'number' ? String(value) : undefined}
                    >
                      {shownValue(value, format)}
                    </Table.Td>
                  );
                })}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {table.note && (
        <Text size="xs" c="dimmed">
          {table.note}
        </Text>
      )}
    </section>
  );
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
