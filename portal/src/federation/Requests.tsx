import { Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { api, type AskedRequest } from '../api/client';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.federation;
const COLORS = { waiting: 'orange', granted: 'teal', denied: 'red' } as const;

/** The analyses that this hospital was asked for: those that wait first, each with its answer. */
export function Requests() {
  const requests = useQuery({ queryKey: ['requests'], queryFn: api.requests, refetchInterval: 5_000 });
  const waiting = requests.data?.filter((request) => request.answer === 'waiting') ?? [];
  const answered = requests.data?.filter((request) => request.answer !== 'waiting') ?? [];
  return (
    <section aria-labelledby="requests">
      <Title order={2} fz="1.2rem" id="requests" mb="xs">
        {t.requests}
      </Title>
      {requests.isPending && <Loading />}
      <ProblemAlert error={requests.error} onRetry={() => void requests.refetch()} />
      {requests.data && waiting.length === 0 && <Text size="sm">{t.noRequests}</Text>}
      <Stack gap="sm">
        {waiting.map((request) => (
          <Asked key={request.id} request={request} />
        ))}
      </Stack>
      {answered.length > 0 && (
        <>
          <Title order={2} fz="1.2rem" mt="xl" mb="xs">
            {t.answered}
          </Title>
          <Stack gap="sm">
            {answered.map((request) => (
              <Asked key={request.id} request={request} />
            ))}
          </Stack>
        </>
      )}
    </section>
  );
}

function Asked({ request }: { request: AskedRequest }) {
  const client = useQueryClient();
  const answer = useMutation({
    mutationFn: (agree: boolean) => api.answerRequest(request.id, agree),
    onSettled: () => client.invalidateQueries({ queryKey: ['requests'] }),
  });
  const labels = (named: AskedRequest['variables']) => named.map((one) => one.label).join(', ');
  const about = `${request.user}, ${labels(request.algorithms)}`;
  return (
    <Card withBorder component="article" aria-label={about} padding="md">
      <Group justify="space-between" align="start" wrap="nowrap">
        <div>
          <Group gap="xs" mb={6}>
            <Text fw={600}>{labels(request.algorithms)}</Text>
            <Badge color={COLORS[request.answer]} variant="light">
              {t.answers[request.answer]}
            </Badge>
          </Group>
          <dl className="facts">
            <dt>{t.user}</dt>
            <dd>{`${request.user} (${request.federation})`}</dd>
            <dt>{texts.workspace.datasets}</dt>
            <dd>{request.datasets.join(', ')}</dd>
            <dt>{t.variables}</dt>
            <dd>{labels(request.variables)}</dd>
            <dt>{t.rules}</dt>
            <dd>{request.rules || t.everybody}</dd>
            {request.steps.length > 0 && (
              <>
                <dt>{t.steps}</dt>
                <dd>
                  {request.steps.map((step) => (
                    <div key={step}>{step}</div>
                  ))}
                </dd>
              </>
            )}
            <dt>{t.asked}</dt>
            <dd>{new Date(request.asked).toLocaleString(locale)}</dd>
            {request.answered && (
              <>
                <dt>{t.answered}</dt>
                <dd>{t.byWhen(request.by, new Date(request.answered).toLocaleString(locale))}</dd>
              </>
            )}
          </dl>
        </div>
        <Group gap="xs" wrap="nowrap">
          {request.answer !== 'granted' && (
            <Button size="compact-sm" loading={answer.isPending} onClick={() => answer.mutate(true)}>
              {t.agree}
            </Button>
          )}
          {request.answer !== 'denied' && (
            <Button
              size="compact-sm"
              variant="light"
              color="red"
              loading={answer.isPending}
              onClick={() => answer.mutate(false)}
            >
              {request.answer === 'granted' ? t.withdraw : t.decline}
            </Button>
          )}
        </Group>
      </Group>
      <ProblemAlert error={answer.error} />
    </Card>
  );
}
