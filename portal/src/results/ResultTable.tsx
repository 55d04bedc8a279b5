import { Button, CopyButton, Group, Table, Text } from '@mantine/core';
import { useState } from 'react';

import type { TableView } from '../api/client';
import { Icon } from '../shared/Icon';
import { save } from '../shared/save';
import { texts } from '../texts/texts';
import { shownValue } from './format';
import { type Order, ordered, pressed } from './order';
import { asCsv, asJson, asTsv } from './table-file';

const t = texts.experiments.table;
/** Columns beyond which a table is set closer, so that a page holds it. */
const DENSE = 9;

/** A result's table: rounded to read, exact when pointed at, copied or downloaded, in any order. */
export function ResultTable({ table }: { table: TableView }) {
  const [order, setOrder] = useState<Order | null>(null);
  const rows = [...ordered(table.rows, order)];
  const shown = { ...table, rows };
  return (
    <section className="result">
      <Group justify="space-between" mb={4} align="baseline" gap={4}>
        <Text fw={600}>{table.title}</Text>
        <Group gap={2} wrap="nowrap">
          <CopyButton value={asTsv(shown)}>
            {({ copied, copy }) => (
              <Button
                size="compact-xs"
                variant="subtle"
                leftSection={<Icon name="copy" size={12} />}
                onClick={copy}
                aria-label={`${table.title}: ${copied ? texts.experiment.copied : texts.experiment.copyTable}`}
              >
                {copied ? texts.experiment.copied : texts.experiment.copyTable}
              </Button>
            )}
          </CopyButton>
          <FileButton title={table.title} format={t.csv} file={() => new Blob([asCsv(shown)], { type: 'text/csv' })} />
          <FileButton
            title={table.title}
            format={t.json}
            file={() => new Blob([asJson(shown)], { type: 'application/json' })}
          />
        </Group>
      </Group>
      <Table.ScrollContainer minWidth={320}>
        <Table className={`result-table ${table.columns.length > DENSE ? 'dense' : ''}`} highlightOnHover verticalSpacing={4} aria-label={table.title}>
          <Table.Thead>
            <Table.Tr>
              {table.columns.map(({ key, label, format }) => (
                <Table.Th
                  key={key}
                  scope="col"
                  className={format === 'text' ? '' : 'number'}
                  aria-sort={order?.key === key ? (order.descending ? 'descending' : 'ascending') : undefined}
                >
                  {rows.length > 1 && label ? (
                    <button
                      type="button"
                      className="sort"
                      title={t.sortBy(label)}
                      onClick={() => setOrder(pressed(order, key))}
                    >
                      {label}
                      <span className="way" data-on={order?.key === key}>
                        <Icon name={order?.key === key && order.descending ? 'down' : 'up'} size={11} />
                      </span>
                    </button>
                  ) : (
                    label
                  )}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row, index) => (
              <Table.Tr key={index}>
                {table.columns.map((column) => {
                  const value: unknown = row[column.key];
                  const format = formatOf(row, column.format);
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

function FileButton({ title, format, file }: { title: string; format: string; file: () => Blob }) {
  return (
    <Button
      size="compact-xs"
      variant="subtle"
      aria-label={t.as(title, format)}
      onClick={() => save(file(), `${title}.${format.toLowerCase()}`)}
    >
      {format}
    </Button>
  );
}

/** How a cell is written: a table of measures mixes p-values, counts and numbers in one column. */
export function formatOf(row: TableView['rows'][number], format: string): string {
  return format === 'number' && typeof row.format === 'string' ? row.format : format;
}

/** A count that may not be released. */
function isSuppressed(value: unknown): boolean {
  return value === 'hidden';
}

/** Text that would else be squeezed into a column of single words. */
function isLong(value: unknown): boolean {
  return typeof value === 'string' && value.length > 24;
}
