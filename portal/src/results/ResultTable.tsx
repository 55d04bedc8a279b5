import { Button, CopyButton, Group, Table, Text } from '@mantine/core';

import type { TableView } from '../api/client';
import { Icon } from '../shared/Icon';
import { texts } from '../texts/en';
import { shownValue } from './format';

/** Columns beyond which a table is set closer, so that a page holds it. */
const DENSE = 9;

/** A result's table: rounded to read, exact when pointed at or copied. */
export function ResultTable({ table }: { table: TableView }) {
  const tsv = [
    table.columns.map((column) => column.label).join('\t'),
    ...table.rows.map((row) =>
      table.columns.map((column) => plain(row[column.key])).join('\t'),
    ),
  ].join('\n');
  return (
    <section className="result">
      <Group justify="space-between" mb={4} align="baseline" wrap="nowrap">
        <Text fw={600}>{table.title}</Text>
        <CopyButton value={tsv}>
          {({ copied, copy }) => (
            <Button
              size="compact-xs"
              variant="subtle"
              leftSection={<Icon name="copy" size={12} />}
              onClick={copy}
              aria-label={`${table.title}: ${texts.experiment.copyTable}`}
            >
              {copied ? texts.experiment.copied : texts.experiment.copyTable}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Table.ScrollContainer minWidth={320}>
        <Table className={`result-table ${table.columns.length > DENSE ? 'dense' : ''}`} highlightOnHover verticalSpacing={4} aria-label={table.title}>
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
                  // A table of measures mixes p-values, counts and numbers in one column.
                  const format =
                    column.format === 'number' && isFormat(row.format) ? row.format : column.format;
                  return (
                    <Table.Td
                      key={column.key}
                      className={`${column.format === 'text' ? '' : 'number'} ${isSuppressed(value) ? 'faint' : ''} ${isLong(value) ? 'long' : ''}`}
                      title={isSuppressed(value) ? texts.suppressed : typeof value === 'number' ? String(value) : undefined}
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

function isFormat(value: unknown): value is string {
  return typeof value === 'string';
}

/** A count that may not be released. */
function isSuppressed(value: unknown): boolean {
  return value === 'hidden';
}

/** Text that would else be squeezed into a column of single words. */
function isLong(value: unknown): boolean {
  return typeof value === 'string' && value.length > 24;
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
