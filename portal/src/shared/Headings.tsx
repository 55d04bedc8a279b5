import { Table } from '@mantine/core';

/** The head of a table: its columns' names by their keys; those of numbers stand to the right. */
export function Headings({ names, right }: { names: Record<string, string>; right?: Iterable<string> }) {
  const numbers = new Set(right);
  return (
    <Table.Thead>
      <Table.Tr>
        {Object.entries(names).map(([key, name]) => (
          <Table.Th key={key} scope="col" ta={numbers.has(key) ? 'right' : undefined}>
            {name}
          </Table.Th>
        ))}
      </Table.Tr>
    </Table.Thead>
  );
}
