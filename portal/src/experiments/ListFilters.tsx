import { Button, Collapse, Group, SegmentedControl, Select, SimpleGrid, TextInput } from '@mantine/core';
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { api } from '../api/client';
import { useVisit } from '../people/Gate';
import { Icon } from '../shared/Icon';
import { texts } from '../texts/texts';
import type { Wish, Wishes } from './wishes';

const t = texts.experiments.filters;
const MORE = ['state', 'algorithm', 'dataset', 'tag', 'from', 'to'] as const;

/** What narrows the list: words and whose at once, the rest behind a button. */
export function ListFilters({
  wishes,
  onWish,
  onClear,
}: {
  wishes: Wishes;
  onWish: (change: Partial<Wishes>) => void;
  onClear: () => void;
}) {
  const visit = useVisit();
  const on = MORE.filter((name) => wishes[name]).length;
  const [opened, { toggle }] = useDisclosure(on > 0);
  const [cleared, setCleared] = useState(0);
  const algorithms = useQuery({ queryKey: ['algorithms'], queryFn: api.algorithms, staleTime: Infinity });
  const datasets = useQuery({ queryKey: ['datasets'], queryFn: () => api.datasets() });
  const tags = useQuery({ queryKey: ['experiment-tags'], queryFn: api.experimentTags });
  const choices = (name: Wish, offered: { value: string; label: string }[]) => {
    // What was wished for stays to be seen, even where it is offered no more.
    const wished = wishes[name];
    return wished && !offered.some(({ value }) => value === wished) ? [...offered, { value: wished, label: wished }] : offered;
  };
  const same = (code: string) => ({ value: code, label: code });
  const select = (name: Wish, label: string, placeholder: string, data: { value: string; label: string }[]) => (
    <Select
      size="sm"
      label={label}
      placeholder={placeholder}
      clearable
      searchable
      data={choices(name, data)}
      value={wishes[name] || null}
      onChange={(value) => onWish({ [name]: value ?? '' })}
    />
  );
  const day = (name: 'from' | 'to', label: string) => (
    <TextInput type="date" size="sm" label={label} value={wishes[name]} onChange={(event) => onWish({ [name]: event.currentTarget.value })} />
  );
  return (
    <div className="filters">
      <Group gap="sm">
        <Search key={cleared} value={wishes.search} onSearch={(search) => onWish({ search })} />
        {visit && visit.kind !== 'open' && (
          <SegmentedControl
            size="sm"
            aria-label={t.whose}
            data={(['all', 'mine', 'shared'] as const).map((value) => ({ value, label: t.whoses[value] }))}
            value={wishes.whose || 'all'}
            onChange={(whose) => onWish({ whose: whose === 'all' ? '' : whose })}
          />
        )}
        <Button
          variant={wishes.starred ? 'light' : 'default'}
          aria-pressed={wishes.starred !== ''}
          leftSection={<Icon name="star" size={14} filled={wishes.starred !== ''} />}
          onClick={() => onWish({ starred: wishes.starred ? '' : 'true' })}
        >
          {t.starred}
        </Button>
        <Button variant={on ? 'light' : 'default'} aria-expanded={opened} leftSection={<Icon name="filter" size={14} />} onClick={toggle}>
          {on ? t.moreOn(on) : t.more}
        </Button>
        {Object.values(wishes).some(Boolean) && (
          <Button
            variant="subtle"
            color="gray"
            onClick={() => {
              setCleared(cleared + 1);
              onClear();
            }}
          >
            {t.clear}
          </Button>
        )}
      </Group>
      <Collapse expanded={opened}>
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="sm" mt="sm">
          {select(
            'state',
            texts.experiment.state,
            texts.experiment.anyState,
            Object.entries(texts.experiment.states).map(([value, label]) => ({ value, label })),
          )}
          {select('algorithm', t.algorithm, t.anyAlgorithm, (algorithms.data ?? []).map(({ name, label }) => ({ value: name, label })))}
          {select('dataset', t.dataset, t.anyDataset, [...new Set((datasets.data ?? []).map(({ code }) => code))].map(same))}
          {select('tag', t.tag, t.anyTag, (tags.data ?? []).map(same))}
          {day('from', t.from)}
          {day('to', t.to)}
        </SimpleGrid>
      </Collapse>
    </div>
  );
}

/** What is typed stands at once, and is asked when the typing pauses. */
function Search({ value, onSearch }: { value: string; onSearch: (search: string) => void }) {
  const [typed, setTyped] = useState(value);
  const ask = useDebouncedCallback(onSearch, 250);
  return (
    <TextInput
      type="search"
      flex="1 1 16rem"
      maw={420}
      leftSection={<Icon name="search" size={15} />}
      aria-label={texts.experiment.search}
      placeholder={t.searchHint}
      value={typed}
      maxLength={200}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        ask(event.currentTarget.value);
      }}
    />
  );
}
