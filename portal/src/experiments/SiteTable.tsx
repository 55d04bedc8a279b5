import { Badge, Card, Table, Text, Title } from '@mantine/core';

import type { Summary } from '../api/client';
import { Headings } from '../shared/Headings';
import { locale, texts } from '../texts/texts';

const t = texts.progress;
const COLORS = { asked: 'blue', answered: 'teal', waiting: 'orange', lost: 'red', refused: 'orange', failed: 'red' } as const;
type Site = Summary['sites'][number];

/** How far each hospital is, and what it let out; nothing where no hospital was asked. */
export function SiteTable({ sites }: { sites: readonly Site[] }) {
  if (sites.length === 0) return null;
  return (
    <Card withBorder>
      <Title order={2} className="eyebrow" id="progress">
        {t.title}
      </Title>
      <Table className="listing" aria-labelledby="progress">
        <Headings names={t.columns} right={['answered']} />
        <Table.Tbody>
          {sites.map((site) => (
            <Table.Tr key={site.name}>
              <Table.Td fw={550}>{site.name}</Table.Td>
              <Table.Td>
                <Badge color={COLORS[site.state]} variant="light" miw="max-content">
                  {t.states[site.state]}
                </Badge>
              </Table.Td>
              <Table.Td ta="right">{t.answered(site.answered, site.asked)}</Table.Td>
              <Table.Td>
                {site.released.map((part) => (
                  <Text size="sm" key={`${part.what}${part.masked}`} title={new Date(part.last).toLocaleString(locale)}>
                    {t.released(spoken(part.what), part.times, part.masked)}
                  </Text>
                ))}
                {site.reason && <Text size="sm">{site.reason}</Text>}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

/** A statistic's name as words: NormalEquations is "normal equations". */
function spoken(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}
