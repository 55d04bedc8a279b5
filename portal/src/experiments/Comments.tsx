import { Button, Group, Stack, Text, Textarea, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type Comment } from '../api/client';
import { useVisit } from '../people/Gate';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';

const t = texts.experiments.talk;
const LONGEST = 4000;
/** Characters left from which on they are told. */
const NEAR = 400;

/** What is said of an experiment by those who may see it; one's own words can be taken back. */
export function Comments({ id }: { id: string }) {
  const client = useQueryClient();
  const visit = useVisit();
  const [text, setText] = useState('');
  const key = ['comments', id];
  const query = useQuery({ queryKey: key, queryFn: () => api.comments(id) });
  const told = async () => {
    await client.invalidateQueries({ queryKey: key });
    void client.invalidateQueries({ queryKey: ['experiments'] });
  };
  const add = useMutation({
    mutationFn: () => api.comment(id, text),
    onSuccess: () => {
      setText('');
      return told();
    },
  });
  const remove = useMutation({ mutationFn: (comment: Comment) => api.uncomment(id, comment.id), onSuccess: told });
  const left = LONGEST - text.length;
  return (
    <section aria-labelledby="comments" className="talk">
      <Title order={2} fz="lg" id="comments" mb="sm">
        {t.title}
      </Title>
      {query.isPending && <Loading lines={2} />}
      <ProblemAlert error={query.error} onRetry={() => void query.refetch()} />
      {query.data?.length === 0 && (
        <Text size="sm" c="dimmed" mb="sm">
          {t.none}
        </Text>
      )}
      <ol className="remarks">
        {query.data?.map((comment) => {
          const at = new Date(comment.at).toLocaleString(locale);
          return (
            <li key={comment.id}>
              <Group gap="xs" justify="space-between" wrap="nowrap" align="baseline">
                <Text size="sm">
                  <b>{comment.label}</b>{' '}
                  <Text span size="xs" c="dimmed">
                    <time dateTime={comment.at}>{at}</time>
                  </Text>
                </Text>
                {comment.author === visit?.name && (
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    color="gray"
                    aria-label={t.removeOf(at)}
                    loading={remove.isPending && remove.variables.id === comment.id}
                    onClick={() => remove.mutate(comment)}
                  >
                    {t.remove}
                  </Button>
                )}
              </Group>
              <Text size="sm" className="said">
                {comment.text}
              </Text>
            </li>
          );
        })}
      </ol>
      <ProblemAlert error={remove.error} />
      <Stack gap="xs" maw="75ch">
        <Textarea
          label={t.label}
          description={t.seen}
          autosize
          minRows={2}
          maxRows={12}
          maxLength={LONGEST}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <ProblemAlert error={add.error} />
        <Group>
          <Button size="xs" disabled={!text.trim()} loading={add.isPending} onClick={() => add.mutate()}>
            {t.add}
          </Button>
          {left < NEAR && (
            <Text size="xs" c="dimmed" role="status">
              {t.loud(left)}
            </Text>
          )}
        </Group>
      </Stack>
    </section>
  );
}
