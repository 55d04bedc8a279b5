import { Badge, Button, Card, Checkbox, Code, CopyButton, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type MemberEntry } from '../api/client';
import { Headings } from '../shared/Headings';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.federation;
const COLORS = { invited: 'gray', waiting: 'orange', member: 'teal', rejected: 'red', revoked: 'red', left: 'gray' } as const;

/** The hospitals of this hub: who waits to be let in, who belongs, who is invited. */
export function Members() {
  const members = useQuery({ queryKey: ['members'], queryFn: api.members, refetchInterval: 5_000 });
  const waiting = members.data?.filter((member) => member.state === 'waiting') ?? [];
  return (
    <Stack gap="lg">
      {members.isPending && <Loading />}
      <ProblemAlert error={members.error} onRetry={() => void members.refetch()} />
      {waiting.map((member) => (
        <Waiting key={member.node} member={member} />
      ))}
      {members.data && <Listing members={members.data} />}
      <Invitation />
    </Stack>
  );
}

function useDecision<Given, Told>(decide: (given: Given) => Promise<Told>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: decide,
    onSettled: () => client.invalidateQueries({ queryKey: ['members'] }),
  });
}

/** A hospital that has asked: approved once its fingerprint was read out by phone. */
function Waiting({ member }: { member: MemberEntry }) {
  const [told, setTold] = useState('');
  const [compared, setCompared] = useState(false);
  const approve = useDecision<undefined, MemberEntry>(() => api.approveSite(member.node, told || member.fingerprint));
  const reject = useDecision<undefined, MemberEntry>(() => api.rejectSite(member.node));
  return (
    <Card withBorder component="article" aria-label={member.name}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          approve.mutate(undefined);
        }}
      >
        <Stack gap="sm">
          <Title order={2} fz="h4">
            {t.asks(member.name)}
          </Title>
          <Text size="sm">{t.compareHint}</Text>
          <Text className="mono" fz="lg">
            {member.fingerprint}
          </Text>
          <ProblemAlert error={approve.error ?? reject.error} />
          <Checkbox
            label={t.compared}
            checked={compared}
            onChange={(event) => setCompared(event.currentTarget.checked)}
          />
          <Group align="end">
            <TextInput
              label={t.typed}
              w={420}
              autoComplete="off"
              value={told}
              onChange={(event) => setTold(event.currentTarget.value)}
            />
            <Button type="submit" disabled={!compared && !told.trim()} loading={approve.isPending}>
              {t.approve}
            </Button>
            <Button variant="light" color="red" loading={reject.isPending} onClick={() => reject.mutate(undefined)}>
              {t.reject}
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

function Listing({ members }: { members: MemberEntry[] }) {
  if (members.length === 0) return <Text size="sm">{t.noMembers}</Text>;
  return (
    <Table className="listing" aria-label={t.members}>
      <Headings names={t.columns} />
      <Table.Tbody>
        {members.map((member) => (
          <Table.Tr key={member.node}>
            <Table.Td fw={550}>{member.name}</Table.Td>
            <Table.Td>
              <Badge color={COLORS[member.state]} variant="light" miw="max-content">
                {t.states[member.state]}
              </Badge>
            </Table.Td>
            <Table.Td>{heard(member)}</Table.Td>
            <Table.Td>{member.version}</Table.Td>
            <Table.Td>
              <Code style={{ whiteSpace: 'nowrap' }}>{member.fingerprint || member.node}</Code>
            </Table.Td>
            <Table.Td>{member.state === 'member' && <Revoke member={member} />}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function heard(member: MemberEntry): string {
  if (member.until) return t.until(new Date(member.until).toLocaleString(locale));
  return member.seen ? new Date(member.seen).toLocaleString(locale) : t.never;
}

/** Puts a hospital out, in two clicks: what it takes back is a new invitation. */
function Revoke({ member }: { member: MemberEntry }) {
  const [sure, setSure] = useState(false);
  const revoke = useDecision<undefined, MemberEntry>(() => api.revokeSite(member.node));
  if (!sure) {
    return (
      <Button size="compact-sm" variant="light" color="red" aria-label={`${t.revoke} ${member.name}`} onClick={() => setSure(true)}>
        {t.revoke}
      </Button>
    );
  }
  return (
    <Stack gap={4} maw={240}>
      <Text size="xs">{t.sure(member.name)}</Text>
      <Group gap="xs" wrap="nowrap">
        <Button size="compact-sm" color="red" loading={revoke.isPending} onClick={() => revoke.mutate(undefined)}>
          {t.revokeNow}
        </Button>
        <Button size="compact-sm" variant="default" onClick={() => setSure(false)}>
          {t.keep}
        </Button>
      </Group>
      <ProblemAlert error={revoke.error} />
    </Stack>
  );
}

function Invitation() {
  const [name, setName] = useState('');
  const invite = useDecision((hospital: string) => api.invite(hospital));
  const token = invite.data;
  return (
    <Card withBorder>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          invite.mutate(name);
        }}
      >
        <Stack gap="sm">
          <Title order={2} fz="h4">
            {t.invite}
          </Title>
          <Text size="sm">{t.inviteHint}</Text>
          <ProblemAlert error={invite.error} />
          <Group align="end">
            <TextInput label={t.hospital} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
            <Button type="submit" loading={invite.isPending}>
              {t.makeToken}
            </Button>
          </Group>
          {token && (
            <>
              <Text size="sm">{t.token(token.name, new Date(token.expires).toLocaleString(locale))}</Text>
              <Code block style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
                {`mip site join ${token.token}`}
              </Code>
              <CopyButton value={`mip site join ${token.token}`}>
                {({ copied, copy }) => (
                  <Button variant="default" onClick={copy} style={{ alignSelf: 'start' }}>
                    {copied ? texts.experiment.copied : t.copyToken}
                  </Button>
                )}
              </CopyButton>
            </>
          )}
        </Stack>
      </form>
    </Card>
  );
}
