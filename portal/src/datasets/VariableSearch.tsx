import { Badge, Group, MultiSelect, SegmentedControl, Table, Text, TextInput, Title } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type PlacedVariable } from '../api/client';
import { Headings } from '../shared/Headings';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.variables;
const SHOWN = 50;

/** Finds variables over hospitals: which of the chosen ones have each, and what all of them have. */
export function VariableSearch({ hospitals }: { hospitals: string[] }) {
  const [search, setSearch] = useState('');
  const [sites, setSites] = useState<string[]>([]);
  const [within, setWithin] = useState<'any' | 'all'>('any');
  const found = useQuery({
    queryKey: ['variables', search, sites, within],
    queryFn: () => api.variables(search, sites, within, SHOWN),
    placeholderData: keepPreviousData,
  });
  return (
    <section aria-labelledby="variables">
      <Title order={2} fz="1.2rem" mt="xl" id="variables">
        {t.title}
      </Title>
      <Text c="dimmed" size="sm" mb="md">
        {t.intro}
      </Text>
      <Group align="end" mb="sm">
        <TextInput
          label={t.search}
          value={search}
          w={260}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <MultiSelect
          label={t.hospitals}
          data={hospitals}
          value={sites}
          onChange={setSites}
          placeholder={sites.length ? undefined : t.all}
          miw={280}
          clearable
        />
        <SegmentedControl
          aria-label={t.within}
          value={within}
          onChange={(chosen) => setWithin(chosen === 'all' ? 'all' : 'any')}
          data={[
            { value: 'any', label: t.any(found.data?.union) },
            { value: 'all', label: t.every(found.data?.intersection) },
          ]}
        />
      </Group>
      <ProblemAlert error={found.error} onRetry={() => void found.refetch()} />
      {found.data && (
        <>
          <Text size="sm" role="status">
            {t.found(found.data.found, Math.min(found.data.found, SHOWN))}
          </Text>
          {found.data.items.length > 0 && <Found items={found.data.items} />}
        </>
      )}
    </section>
  );
}

function Found({ items }: { items: PlacedVariable[] }) {
  return (
    <Table highlightOnHover className="listing" aria-labelledby="variables">
      <Headings names={t.columns} />
      <Table.Tbody>
        {items.map((variable) => (
          <Table.Tr key={`${variable.model}/${variable.code}`}>
            <Table.Td>
              <Text fw={550} size="sm">
                {variable.label}
              </Text>
              <Text size="xs" c="dimmed">
                {variable.path.join(' / ') || variable.code}
              </Text>
            </Table.Td>
            <Table.Td>{variable.units ? `${variable.type}, ${variable.units}` : variable.type}</Table.Td>
            <Table.Td>{variable.model}</Table.Td>
            <Table.Td>
              <Group gap={6}>
                {[...new Set(variable.places.map((place) => place.site || t.here))].map((site) => (
                  <Badge key={site} variant="light" color={variable.differs.includes(site) ? 'orange' : 'teal'} tt="none">
                    {site}
                  </Badge>
                ))}
              </Group>
              {variable.differs.length > 0 && <Text size="xs">{t.differs(variable.differs.join(', '))}</Text>}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
