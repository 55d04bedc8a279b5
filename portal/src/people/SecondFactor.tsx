import { Button, Code, Group, PasswordInput, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type Visit } from '../api/client';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.people.factor;

/** Sets the second factor up, or turns it off. */
export function SecondFactor({ visit }: { visit: Visit }) {
  const client = useQueryClient();
  const [code, setCode] = useState('');
  const [password, setPassword] = useState('');
  const offer = useMutation({ mutationFn: api.offerFactor });
  const save = useMutation({
    mutationFn: () => api.setFactor({ secret: offer.data?.secret ?? '', code, password }),
  });
  const drop = useMutation({
    mutationFn: () => api.dropFactor(password),
    onSuccess: () => window.location.assign('/'),
  });
  if (save.data) {
    return (
      <Stack>
        <Title order={2} fz="h4">
          {t.recovery}
        </Title>
        <Text size="sm">{t.recoveryHint}</Text>
        <SimpleGrid cols={2}>
          {save.data.codes.map((one) => (
            <Code key={one}>{one}</Code>
          ))}
        </SimpleGrid>
        <Button onClick={() => void client.invalidateQueries({ queryKey: ['session'] })}>{t.kept}</Button>
      </Stack>
    );
  }
  const confirm = (
    <PasswordInput
      label={t.confirm}
      autoComplete="current-password"
      required
      value={password}
      onChange={(event) => setPassword(event.currentTarget.value)}
    />
  );
  return (
    <Stack>
      <Title order={2} fz="h4">
        {t.title}
      </Title>
      <Text size="sm">
        {visit.step === 'set_second_factor' ? t.needed : visit.second_factor ? t.on : t.off}
      </Text>
      {visit.second_factor && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            drop.mutate();
          }}
        >
          <Stack>
            {confirm}
            <ProblemAlert error={drop.error} />
            <Group>
              <Button type="submit" color="red" variant="light" loading={drop.isPending}>
                {t.drop}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
      {!visit.second_factor && !offer.data && (
        <Group>
          <Button onClick={() => offer.mutate()} loading={offer.isPending}>
            {t.start}
          </Button>
          <ProblemAlert error={offer.error} />
        </Group>
      )}
      {!visit.second_factor && offer.data && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            save.mutate();
          }}
        >
          <Stack>
            <Text size="sm">{t.secret}</Text>
            <Code block aria-label={t.title}>
              {offer.data.secret.replace(/(.{4})/g, '$1 ').trim()}
            </Code>
            <TextInput
              label={t.code}
              autoComplete="one-time-code"
              inputMode="numeric"
              required
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
            />
            {confirm}
            <ProblemAlert error={save.error} />
            <Button type="submit" loading={save.isPending}>
              {t.save}
            </Button>
          </Stack>
        </form>
      )}
    </Stack>
  );
}
