import { ActionIcon } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { api } from '../api/client';
import { Icon } from '../shared/Icon';
import { texts } from '../texts/texts';

const t = texts.experiments;

/** Marks an experiment for oneself; the star turns at once, and back where the server refuses. */
export function StarButton({ id, name, starred, size = 16 }: { id: string; name: string; starred: boolean; size?: number }) {
  const client = useQueryClient();
  const star = useMutation({
    mutationFn: (on: boolean) => api.star(id, on),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['experiments'] }),
        client.invalidateQueries({ queryKey: ['experiment', id] }),
      ]),
  });
  const on = star.isPending ? star.variables : starred;
  return (
    <ActionIcon
      variant="subtle"
      color={on ? 'yellow' : 'gray'}
      className={on ? 'star on' : 'star'}
      aria-pressed={on}
      aria-label={on ? t.unstar(name) : t.star(name)}
      onClick={() => star.mutate(!on)}
    >
      <Icon name="star" size={size} filled={on} />
    </ActionIcon>
  );
}
