import { Button, Group, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { ApiError } from '../api/client';
import { dataApi, type PolicyFile } from '../api/data';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.stewardship.policy;

/** The policy of a dataset as it is written, to be changed and saved. */
export function PolicyEditor({ model, dataset }: { model: string; dataset: string }) {
  const policy = useQuery({ queryKey: ['policy', model, dataset], queryFn: () => dataApi.policy(model, dataset) });
  if (policy.isPending) return <Loading lines={3} />;
  if (!policy.data) return <ProblemAlert error={policy.error} onRetry={() => void policy.refetch()} />;
  return <Editor key={`${model} ${dataset}`} model={model} dataset={dataset} policy={policy.data} />;
}

function Editor({ model, dataset, policy }: { model: string; dataset: string; policy: PolicyFile }) {
  const [text, setText] = useState(policy.text);
  /** The text in force that the person has seen: a newer one is not written over unseen. */
  const [former, setFormer] = useState(policy.text);
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: (seen: string) => dataApi.setPolicy(model, dataset, text, seen),
    onSuccess: (made) => setFormer(made.text),
    onSettled: () => client.invalidateQueries(),
  });
  const keepTheirs = () => {
    setText(policy.text);
    setFormer(policy.text);
    save.reset();
  };
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t.intro}
      </Text>
      <Text size="sm">{t.origin[policy.origin]}</Text>
      <Textarea
        label={t.editor}
        classNames={{ input: 'code' }}
        autosize
        minRows={6}
        maxRows={24}
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <ProblemAlert error={save.error} />
      {save.error instanceof ApiError && save.error.problem.status === 409 && policy.text !== former && (
        <>
          <Textarea
            label={t.theirs}
            classNames={{ input: 'code' }}
            autosize
            maxRows={24}
            readOnly
            value={policy.text}
          />
          <Group>
            <Button variant="default" onClick={keepTheirs}>
              {t.keepTheirs}
            </Button>
            <Button variant="light" color="red" onClick={() => save.mutate(policy.text)}>
              {t.replaceTheirs}
            </Button>
          </Group>
        </>
      )}
      <Group>
        <Button loading={save.isPending} disabled={text === policy.text} onClick={() => save.mutate(former)}>
          {t.save}
        </Button>
        <Text size="sm" role="status">
          {save.isSuccess && text === policy.text && t.saved}
        </Text>
      </Group>
    </Stack>
  );
}
