import { Badge, Table, Text, Title } from '@mantine/core';

import type { ScanItem, ScanItemState, Verdict } from '../api/scans';
import { Headings } from '../shared/Headings';
import { texts } from '../texts/texts';

const t = texts.scans;
const LOOSE = '.';
const colours: Record<ScanItemState, string> = { arriving: 'gray', reading: 'blue', read: 'teal', failed: 'red' };

/** What lies in the inbox for scans, and what was found in it. */
export function ScanInbox({ items }: { items: ScanItem[] }) {
  return (
    <>
      <Title order={2} fz="1.1rem" mb="xs">
        {t.inbox}
      </Title>
      <Table highlightOnHover className="listing" aria-label={t.inbox} mb="lg">
        <Headings names={t.inboxColumns} />
        <Table.Tbody>
          {items.map((item) => (
            <Table.Tr key={item.name}>
              <Table.Td>
                {item.name === LOOSE ? t.loose : item.name}
                <Text size="xs" c="dimmed">
                  {`${t.files(item.files)}, ${texts.inbox.bytes(item.size)}`}
                </Text>
              </Table.Td>
              <Table.Td>
                <Badge color={colours[item.state]} variant="light" className={`state ${item.state}`}>
                  {t.states[item.state]}
                </Badge>
              </Table.Td>
              <Table.Td>
                {foundIn(item)}
                {[...(item.outcome?.problems ?? []), item.outcome?.trouble].map(
                  (line) =>
                    line && (
                      <Text key={line} size="sm">
                        {line}
                      </Text>
                    ),
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}

/** How many scans were taken, left out and refused when it was read last. */
export function foundIn({ outcome }: ScanItem): string {
  if (!outcome) return '';
  const count = (verdict: Verdict) => Object.values(outcome.scans).filter((one) => one === verdict).length;
  return t.found(count('taken'), count('left out'), count('refused'), outcome.new);
}
