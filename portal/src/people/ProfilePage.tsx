import { Alert, Button, Card, Code, Group, MultiSelect, NumberInput, PasswordInput, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type Right, type Visit } from '../api/client';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { useVisit } from './Gate';
import { SecondFactor } from './SecondFactor';

const t = texts.people;
const when = (moment: string) => new Date(moment).toLocaleString(locale);

/** One's own account. */
export function ProfilePage() {
  const visit = useVisit();
  if (!visit) return <Loading />;
  return (
    <div className="page">
      <title>{`${t.profile} · ${texts.brand}`}</title>
      <Title order={1} fz="1.55rem">
        {visit.label}
      </Title>
      <Text c="dimmed" size="sm" mb="md">
        {t.you(visit.roles.map((role) => t.roleNames[role]).join(', '))}
      </Text>
      <Stack maw={760}>
        {visit.kind === 'local' && (
          <>
            <Card withBorder>
              <SecondFactor visit={visit} />
            </Card>
            <NewPassword />
          </>
        )}
        <Sessions />
        <Tokens visit={visit} />
      </Stack>
    </div>
  );
}

function NewPassword() {
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const save = useMutation({
    mutationFn: () => api.changePassword(old, fresh),
    onSuccess: () => window.location.assign('/'),
  });
  return (
    <Card withBorder>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          <Title order={2} fz="h4">
            {t.passwordTitle}
          </Title>
          <Text size="sm">{t.passwordHint}</Text>
          <PasswordInput
            label={t.password}
            autoComplete="current-password"
            required
            value={old}
            onChange={(event) => setOld(event.currentTarget.value)}
          />
          <PasswordInput
            label={t.newPassword}
            autoComplete="new-password"
            required
            value={fresh}
            onChange={(event) => setFresh(event.currentTarget.value)}
          />
          <ProblemAlert error={save.error} />
          <Group>
            <Button type="submit" loading={save.isPending}>
              {t.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

function Sessions() {
  const client = useQueryClient();
  const sessions = useQuery({ queryKey: ['sessions'], queryFn: api.sessions });
  const end = useMutation({
    mutationFn: api.endSession,
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <Card withBorder>
      <Title order={2} fz="h4" mb="xs">
        {t.sessions}
      </Title>
      <ProblemAlert error={sessions.error ?? end.error} />
      {sessions.data && (
        <Table aria-label={t.sessions}>
          <Table.Thead>
            <Table.Tr>
              {Object.values(t.session).map((column) => (
                <Table.Th key={column} scope="col">
                  {column}
                </Table.Th>
              ))}
              <Table.Th scope="col" aria-label={t.ended} />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {sessions.data.map((session) => (
              <Table.Tr key={session.id}>
                <Table.Td>{session.address}</Table.Td>
                <Table.Td>{session.agent.slice(0, 40)}</Table.Td>
                <Table.Td>{when(session.created)}</Table.Td>
                <Table.Td>{when(session.seen)}</Table.Td>
                <Table.Td>
                  <Button size="compact-sm" variant="light" onClick={() => end.mutate(session.id)}>
                    {t.ended}
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}

function Tokens({ visit }: { visit: Visit }) {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<string[]>(['explore']);
  const [days, setDays] = useState<number | string>(90);
  const tokens = useQuery({ queryKey: ['tokens'], queryFn: api.tokens });
  const refresh = () => client.invalidateQueries({ queryKey: ['tokens'] });
  const make = useMutation({
    mutationFn: () => api.makeToken({ name, scopes: scopes as Right[], days: Number(days) }),
    onSuccess: refresh,
  });
  const revoke = useMutation({ mutationFn: api.revokeToken, onSuccess: refresh });
  return (
    <Card withBorder>
      <Title order={2} fz="h4">
        {t.tokens}
      </Title>
      <Text size="sm" mb="xs">
        {t.tokensHint}
      </Text>
      {make.data && (
        <Alert color="teal" role="status" mb="xs">
          {t.tokenMade} <Code>{make.data.secret}</Code>
        </Alert>
      )}
      <ProblemAlert error={tokens.error ?? make.error ?? revoke.error} />
      {tokens.data && tokens.data.length > 0 && (
        <Table aria-label={t.tokens} mb="md">
          <Table.Thead>
            <Table.Tr>
              {[t.token.name, t.token.scopes, t.token.expires, t.token.seen].map((column) => (
                <Table.Th key={column} scope="col">
                  {column}
                </Table.Th>
              ))}
              <Table.Th scope="col" aria-label={t.revoke} />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {tokens.data.map((token) => (
              <Table.Tr key={token.id}>
                <Table.Td>{token.name}</Table.Td>
                <Table.Td>{token.scopes.map((scope) => t.rightNames[scope]).join(', ')}</Table.Td>
                <Table.Td>{when(token.expires)}</Table.Td>
                <Table.Td>{token.seen ? when(token.seen) : t.token.never}</Table.Td>
                <Table.Td>
                  <Button size="compact-sm" variant="light" color="red" onClick={() => revoke.mutate(token.id)}>
                    {t.revoke}
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <Group align="end">
          <TextInput
            label={t.token.name}
            required
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <MultiSelect
            label={t.token.scopes}
            data={visit.rights.map((right) => ({ value: right, label: t.rightNames[right] }))}
            value={scopes}
            onChange={setScopes}
            miw={220}
          />
          <NumberInput label={t.token.days} min={1} max={366} w={90} value={days} onChange={setDays} />
          <Button type="submit" loading={make.isPending}>
            {t.token.make}
          </Button>
        </Group>
      </form>
    </Card>
  );
}
