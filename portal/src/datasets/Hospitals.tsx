import { Badge, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { api, type SiteEntry } from '../api/client';
import { Headings } from '../shared/Headings';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { VariableSearch } from './VariableSearch';

const t = texts.hospitals;

/** The hospitals of the federation, where there is one: who is there, and what each offers. */
export function Hospitals() {
  const sites = useQuery({ queryKey: ['sites'], queryFn: api.sites, refetchInterval: 5_000 });
  if (sites.data?.length === 0) return null;
  return (
    <section aria-labelledby="hospitals">
      <Title order={2} fz="1.2rem" mt="xl" id="hospitals">
        {t.title}
      </Title>
      <Text c="dimmed" size="sm" mb="md">
        {t.intro}
      </Text>
      <ProblemAlert error={sites.error} onRetry={() => void sites.refetch()} />
      {sites.data && (
        <Table highlightOnHover className="listing" aria-labelledby="hospitals">
          <Headings names={t.columns} />
          <Table.Tbody>
            {sites.data.map((site) => (
              <Table.Tr key={site.node}>
                <Table.Td fw={550}>{site.name}</Table.Td>
                <Table.Td>
                  <Standing site={site} />
                </Table.Td>
                <Table.Td>{site.datasets.join(', ')}</Table.Td>
                <Table.Td>{site.models.join(', ')}</Table.Td>
                <Table.Td>{site.approval === 'person' ? t.approver(site.approver) : t.automatic}</Table.Td>
                <Table.Td>{site.software}</Table.Td>
                <Table.Td>{remarks(site).join(' ')}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {sites.data && <VariableSearch hospitals={sites.data.map((site) => site.name)} />}
    </section>
  );
}

function Standing({ site }: { site: SiteEntry }) {
  if (!site.alive) return <Badge color="red" variant="light" miw="max-content">{t.away}</Badge>;
  if (site.paused) return <Badge color="orange" variant="light" miw="max-content">{t.paused}</Badge>;
  return <Badge color="teal" variant="light" miw="max-content">{t.there}</Badge>;
}

/** What a researcher should know of a hospital before choosing its data. */
function remarks(site: SiteEntry): string[] {
  const own = Object.entries(site.own_thresholds).map(([name, value]) => `${spoken(name)}: ${told(value)}`);
  return [
    ...(site.hours ? [t.hours(site.hours)] : []),
    ...site.differences.map((part) => t.differs(part.model, part.variables.join(', '))),
    ...(site.breaches.length > 0 ? [t.breaches(site.breaches.map(spoken).join(', '))] : []),
    ...(site.only_masked ? [t.masked] : []),
    ...(own.length > 0 ? [t.own(own.join(', '))] : []),
    ...(site.hidden.length > 0 ? [t.hidden(site.hidden.join(', '))] : []),
    ...(Math.abs(site.skew) > 5 ? [t.skew(site.skew)] : []),
  ];
}

function spoken(threshold: string): string {
  return threshold.replaceAll('_', ' ');
}

function told(value: unknown): string {
  if (typeof value === 'boolean') return value ? texts.yes : texts.no;
  return String(value);
}
