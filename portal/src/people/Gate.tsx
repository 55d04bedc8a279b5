import { Alert, Anchor, Button, Card, PasswordInput, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { useLocation } from 'react-router';

import { api, type Visit } from '../api/client';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { SecondFactor } from './SecondFactor';

const t = texts.people;

/** Who is here, once the server has said so. */
export function useVisit(): Visit | undefined {
  return useQuery({ queryKey: ['session'], queryFn: api.session }).data;
}

/** Lets those in who have done what is asked of them; shows the others the next step. */
export function Gate({ children }: { children: ReactNode }) {
  const session = useQuery({ queryKey: ['session'], queryFn: api.session });
  const { pathname } = useLocation();
  if (session.isPending) return <Loading />;
  if (session.error) {
    return (
      <div className="page">
        <ProblemAlert error={session.error} onRetry={() => void session.refetch()} />
      </div>
    );
  }
  const visit = session.data;
  if (visit.step === 'in') {
    return (
      <>
        {visit.kind === 'open' && (
          <Alert role="note" color="orange" variant="light" py={6} radius={0} className="open-house">
            {t.open}
          </Alert>
        )}
        {children}
      </>
    );
  }
  return (
    <div className="page">
      <Card withBorder maw={440} mx="auto" mt="8vh" p="xl">
        {pathname === '/admission' && visit.step === 'log_in' ? <Asking /> : <Step visit={visit} />}
      </Card>
    </div>
  );
}

function Step({ visit }: { visit: Visit }) {
  switch (visit.step) {
    case 'give_code':
      return <Code />;
    case 'set_second_factor':
      return <SecondFactor visit={visit} />;
    case 'accept_terms':
      return <Terms version={visit.terms_version} />;
    default:
      return visit.kind === 'oidc' ? <ThroughProvider /> : <Credentials />;
  }
}

/** Takes up what the server now says of the visitor; what was asked before is asked anew. */
function useEntered() {
  const client = useQueryClient();
  return (visit: Visit) => {
    client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
    client.setQueryData(['session'], visit);
  };
}

function Credentials() {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const attempt = useMutation({ mutationFn: () => api.logIn(name, password), onSuccess: useEntered() });
  return (
    <Form title={t.logIn} onSubmit={() => attempt.mutate()}>
      <TextInput
        label={t.name}
        autoComplete="username"
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <PasswordInput
        label={t.password}
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
      <ProblemAlert error={attempt.error} />
      <Button type="submit" loading={attempt.isPending}>
        {t.logIn}
      </Button>
    </Form>
  );
}

function ThroughProvider() {
  return (
    <Stack>
      <Heading>{t.logIn}</Heading>
      <Button component="a" href="/api/v1/session/provider">
        {t.provider}
      </Button>
    </Stack>
  );
}

function Asking() {
  const [reason, setReason] = useState('');
  const ask = useMutation({ mutationFn: () => api.askAdmission(reason) });
  if (ask.isSuccess) {
    return (
      <Stack>
        <Heading>{t.admission.title}</Heading>
        <Text>{t.admission.asked}</Text>
        <Anchor href="/">{t.logIn}</Anchor>
      </Stack>
    );
  }
  return (
    <Form title={t.admission.title} onSubmit={() => ask.mutate()}>
      <Text size="sm">{t.admission.hint}</Text>
      <Textarea
        label={t.admission.reason}
        autosize
        minRows={3}
        maxLength={2000}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <ProblemAlert error={ask.error} />
      <Button type="submit" loading={ask.isPending}>
        {t.admission.ask}
      </Button>
    </Form>
  );
}

function Code() {
  const [code, setCode] = useState('');
  const give = useMutation({ mutationFn: () => api.giveCode(code), onSuccess: useEntered() });
  return (
    <Form title={t.code.title} onSubmit={() => give.mutate()}>
      <TextInput
        label={t.code.label}
        description={t.code.hint}
        autoComplete="one-time-code"
        required
        value={code}
        onChange={(event) => setCode(event.currentTarget.value)}
      />
      <ProblemAlert error={give.error} />
      <Button type="submit" loading={give.isPending}>
        {t.code.go}
      </Button>
    </Form>
  );
}

function Terms({ version }: { version: number }) {
  const accept = useMutation({ mutationFn: () => api.acceptTerms(version), onSuccess: useEntered() });
  return (
    <Form title={t.terms.title} onSubmit={() => accept.mutate()}>
      {t.terms.text.map((line) => (
        <Text key={line} size="sm">
          {line}
        </Text>
      ))}
      <Text size="xs" c="dimmed">
        {t.terms.version(version)}
      </Text>
      <ProblemAlert error={accept.error} />
      <Button type="submit" loading={accept.isPending}>
        {t.terms.accept}
      </Button>
    </Form>
  );
}

function Form({ title, onSubmit, children }: { title: string; onSubmit: () => void; children: ReactNode }) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      <Stack>
        <Heading>{title}</Heading>
        {children}
      </Stack>
    </form>
  );
}

function Heading({ children }: { children: string }) {
  return (
    <>
      <title>{`${children} · ${texts.brand}`}</title>
      <Title order={1} fz="1.4rem">
        {children}
      </Title>
    </>
  );
}
