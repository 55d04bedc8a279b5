import { Badge, Group, TagsInput, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { api, type Experiment } from '../api/client';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';

const t = texts.experiments.tags;
const MOST = 20;

/** An experiment's tags; its author changes them where they stand. */
export function Tags({ experiment }: { experiment: Experiment }) {
  const client = useQueryClient();
  const known = useQuery({ queryKey: ['experiment-tags'], queryFn: api.experimentTags, enabled: experiment.mine });
  const tag = useMutation({
    mutationFn: (tags: string[]) => api.tag(experiment.id, tags),
    onSuccess: (after) => {
      client.setQueryData(['experiment', experiment.id], after);
      void client.invalidateQueries({ queryKey: ['experiments'] });
      void client.invalidateQueries({ queryKey: ['experiment-tags'] });
    },
  });
  if (!experiment.mine) return <TagBadges tags={experiment.tags} none />;
  return (
    <>
      <TagsInput
        size="xs"
        aria-label={t.title}
        placeholder={experiment.tags.length ? undefined : t.hint}
        data={known.data ?? []}
        maxTags={MOST}
        maxLength={40}
        value={tag.isPending ? tag.variables : experiment.tags}
        onChange={(tags) => tag.mutate(tags)}
      />
      <ProblemAlert error={tag.error} />
    </>
  );
}

/** Tags as they are read. */
export function TagBadges({ tags, none = false }: { tags: readonly string[]; none?: boolean }) {
  if (!tags.length) return none ? <Text size="sm">{t.none}</Text> : null;
  return (
    <Group component="span" gap={4} display="inline-flex">
      {tags.map((tag) => (
        <Badge key={tag} component="span" size="xs" variant="default" tt="none" fw={500}>
          {tag}
        </Badge>
      ))}
    </Group>
  );
}
