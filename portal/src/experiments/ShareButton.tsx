import { Button, Checkbox, Group, Modal, MultiSelect, Stack, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type Colleague, type Experiment } from '../api/client';
import { Icon } from '../shared/Icon';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.experiments.sharing;

/** Opens the dialog in which results are shared. */
export function ShareButton({ experiment }: { experiment: Experiment }) {
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button size="xs" variant="default" leftSection={<Icon name="share" size={13} />} onClick={() => setOpened(true)}>
        {t.share}
      </Button>
      <Modal opened={opened} onClose={() => setOpened(false)} title={<b>{t.dialog}</b>}>
        <ShareForm experiment={experiment} onDone={() => setOpened(false)} />
      </Modal>
    </>
  );
}

function ShareForm({ experiment, onDone }: { experiment: Experiment; onDone: () => void }) {
  const client = useQueryClient();
  const { sharing } = experiment;
  const [everybody, setEverybody] = useState(sharing.everybody);
  const [persons, setPersons] = useState<Colleague[]>(sharing.persons);
  const [typed, setTyped] = useState('');
  const [wanted] = useDebouncedValue(typed.trim(), 200);
  const found = useQuery({
    queryKey: ['colleagues', wanted],
    queryFn: () => api.colleagues(wanted),
    enabled: wanted.length > 1,
  });
  const share = useMutation({
    mutationFn: () => api.share(experiment.id, everybody, persons.map(({ name }) => name)),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['experiment', experiment.id] });
      onDone();
    },
  });
  const offered = new Map([...persons, ...(wanted ? (found.data ?? []) : [])].map((person) => [person.name, person]));
  return (
    <Stack gap="md">
      <Text size="sm">{t.hint}</Text>
      <MultiSelect
        label={t.persons}
        placeholder={t.personsHint}
        searchable
        hidePickedOptions
        data={[...offered.values()].map(({ name, label }) => ({ value: name, label: label === name ? name : `${label} (${name})` }))}
        nothingFoundMessage={found.data?.length === 0 && wanted === typed.trim() ? t.nobodyFound : undefined}
        // The server has searched already; a label may hold the words otherwise than they are typed.
        filter={({ options }) => options}
        searchValue={typed}
        onSearchChange={setTyped}
        value={persons.map(({ name }) => name)}
        onChange={(names) => setPersons(names.flatMap((name) => offered.get(name) ?? []))}
      />
      <Checkbox
        label={t.everybody}
        description={t.everybodyHint}
        checked={everybody}
        onChange={(event) => setEverybody(event.currentTarget.checked)}
      />
      <ProblemAlert error={share.error ?? found.error} />
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          {t.recorded}
        </Text>
        <Group gap="xs">
          <Button variant="default" onClick={onDone}>
            {t.cancel}
          </Button>
          <Button loading={share.isPending} onClick={() => share.mutate()}>
            {t.keep}
          </Button>
        </Group>
      </Group>
    </Stack>
  );
}

/** Whom an experiment is shared with, in words. */
export function SharedWith({ experiment: { sharing } }: { experiment: Experiment }) {
  const named = sharing.persons.map(({ label }) => label);
  const all = [...(sharing.everybody ? [t.everybody] : []), ...named];
  return <Text size="sm">{all.length ? all.join(', ') : t.nobody}</Text>;
}
