import { Button, Card, Group, MultiSelect, PasswordInput, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type Admission, type Person, type Role } from '../api/client';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { useVisit } from './Gate';

const t = texts.people;
const ROLES = Object.entries(t.roleNames).map(([value, label]) => ({ value, label }));

/** Who may enter, for the administrator. */
export function PeoplePage() {
  const visit = useVisit();
  const users = useQuery({ queryKey: ['users'], queryFn: api.users });
  return (
    <div className="page">
      <title>{`${t.title} · ${texts.brand}`}</title>
      <Title order={1} fz="1.55rem">
        {t.title}
      </Title>
      <Text c="dimmed" size="sm" mb="md">
        {t.intro}
      </Text>
      <Stack>
        {users.isPending && <Loading />}
        <ProblemAlert error={users.error} onRetry={() => void users.refetch()} />
        {users.data && <Users users={users.data} />}
        {visit?.kind === 'local' && <NewUser />}
        {visit?.kind === 'oidc' && (
          <>
            <Requests />
            <AllowList />
          </>
        )}
      </Stack>
    </div>
  );
}

function useRefreshed() {
  const client = useQueryClient();
  return () => client.invalidateQueries();
}

function RolesField({
  roles,
  onChange,
  label,
  named = false,
}: {
  roles: Role[];
  onChange: (roles: Role[]) => void;
  label: string;
  named?: boolean;
}) {
  return (
    <MultiSelect
      label={named ? label : undefined}
      aria-label={label}
      data={ROLES}
      value={roles}
      onChange={(chosen) => onChange(chosen as Role[])}
      miw={240}
    />
  );
}

function Users({ users }: { users: Person[] }) {
  const change = useMutation({
    mutationFn: ({ id, ...changed }: { id: string; roles?: Role[]; enabled?: boolean }) =>
      api.changeUser(id, { ...changed, drop_second_factor: false }),
    onSuccess: useRefreshed(),
  });
  return (
    <>
      <ProblemAlert error={change.error} />
      <Table aria-label={t.title} className="listing">
        <Headings names={t.columns} />
        <Table.Tbody>
          {users.map((person) => (
            <Table.Tr key={person.id}>
              <Table.Td>
                <Text fw={550} size="sm">
                  {person.label}
                </Text>
                <Text size="xs" c="dimmed">
                  {person.name}
                </Text>
              </Table.Td>
              <Table.Td>
                <RolesField
                  label={`${t.roles}: ${person.label}`}
                  roles={person.roles}
                  onChange={(roles) => change.mutate({ id: person.id, roles })}
                />
              </Table.Td>
              <Table.Td>{person.second_factor ? texts.yes : texts.no}</Table.Td>
              <Table.Td>{person.seen ? new Date(person.seen).toLocaleString(locale) : t.never}</Table.Td>
              <Table.Td>
                <Button
                  size="compact-sm"
                  variant="light"
                  color={person.enabled ? 'red' : 'teal'}
                  onClick={() => change.mutate({ id: person.id, enabled: !person.enabled })}
                >
                  {person.enabled ? t.close : t.reopen}
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}

function NewUser() {
  const [name, setName] = useState('');
  const [label, setLabel] = useState('');
  const [password, setPassword] = useState('');
  const [roles, setRoles] = useState<Role[]>(['researcher']);
  const refreshed = useRefreshed();
  const add = useMutation({
    mutationFn: () => api.addUser({ name, label, email: '', roles, password }),
    onSuccess: () => {
      setName('');
      setLabel('');
      setPassword('');
      return refreshed();
    },
  });
  return (
    <Card withBorder>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <Stack>
          <Title order={2} fz="h4">
            {t.add}
          </Title>
          <ProblemAlert error={add.error} />
          <Group align="end">
            <TextInput label={t.name} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
            <TextInput label={t.label} value={label} onChange={(event) => setLabel(event.currentTarget.value)} />
            <PasswordInput
              label={t.password}
              autoComplete="new-password"
              required
              w={220}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
            />
            <RolesField named label={t.roles} roles={roles} onChange={setRoles} />
            <Button type="submit" loading={add.isPending}>
              {t.add}
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

function Requests() {
  const requests = useQuery({ queryKey: ['admissions'], queryFn: api.admissions });
  return (
    <Card withBorder>
      <Title order={2} fz="h4" mb="xs">
        {t.requests}
      </Title>
      <ProblemAlert error={requests.error} />
      {requests.data?.length === 0 && <Text size="sm">{t.noRequests}</Text>}
      <Stack>{requests.data?.map((request) => <Waiting key={request.id} request={request} />)}</Stack>
    </Card>
  );
}

function Waiting({ request }: { request: Admission }) {
  const [roles, setRoles] = useState<Role[]>(['researcher']);
  const decide = useMutation({
    mutationFn: (approve: boolean) => api.decide(request.id, { approve, roles }),
    onSuccess: useRefreshed(),
  });
  return (
    <Group>
      <div>
        <Text fw={550} size="sm">{`${request.label} (${request.email})`}</Text>
        <Text size="sm">{request.reason}</Text>
      </div>
      <RolesField label={`${t.roles}: ${request.label}`} roles={roles} onChange={setRoles} />
      <Button size="compact-sm" onClick={() => decide.mutate(true)}>
        {t.grant}
      </Button>
      <Button size="compact-sm" variant="light" color="red" onClick={() => decide.mutate(false)}>
        {t.decline}
      </Button>
      <ProblemAlert error={decide.error} />
    </Group>
  );
}

function AllowList() {
  const [entry, setEntry] = useState('');
  const [roles, setRoles] = useState<Role[]>(['researcher']);
  const allowed = useQuery({ queryKey: ['allowed'], queryFn: api.allowed });
  const refreshed = useRefreshed();
  const add = useMutation({
    mutationFn: () => api.allow({ entry, roles }),
    onSuccess: () => {
      setEntry('');
      return refreshed();
    },
  });
  const remove = useMutation({ mutationFn: api.disallow, onSuccess: refreshed });
  return (
    <Card withBorder>
      <Title order={2} fz="h4">
        {t.allowList}
      </Title>
      <Text size="sm" mb="xs">
        {t.allowHint}
      </Text>
      <ProblemAlert error={allowed.error ?? add.error ?? remove.error} />
      <Stack gap="xs" mb="md">
        {allowed.data?.map((one) => (
          <Group key={one.entry}>
            <Text size="sm" fw={550}>
              {one.entry}
            </Text>
            <Text size="sm">{one.roles.map((role) => t.roleNames[role]).join(', ')}</Text>
            <Button size="compact-sm" variant="light" color="red" onClick={() => remove.mutate(one.entry)}>
              {t.remove}
            </Button>
          </Group>
        ))}
      </Stack>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <Group align="end">
          <TextInput label={t.entry} required value={entry} onChange={(event) => setEntry(event.currentTarget.value)} />
          <RolesField label={t.roles} roles={roles} onChange={setRoles} />
          <Button type="submit" loading={add.isPending}>
            {t.allow}
          </Button>
        </Group>
      </form>
    </Card>
  );
}
