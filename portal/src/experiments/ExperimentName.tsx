import { TextInput, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type Experiment } from '../api/client';
import { texts } from '../texts/texts';

/** The experiment's name; its author edits it in place: Enter keeps it, Escape lets it be. */
export function ExperimentName({ experiment }: { experiment: Experiment }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<string | null>(null);
  const rename = useMutation({
    mutationFn: (name: string) => api.rename(experiment.id, name),
    onSuccess: (after) => {
      client.setQueryData(['experiment', experiment.id], after);
      void client.invalidateQueries({ queryKey: ['experiments'] });
      setDraft(null);
    },
  });
  const keep = () => {
    const name = draft?.trim();
    if (name && name !== experiment.name) rename.mutate(name);
    else setDraft(null);
  };
  if (!experiment.mine) {
    return (
      <Title order={1} fz="1.55rem" className="name">
        {experiment.name}
      </Title>
    );
  }
  return (
    <Title order={1} fz="1.55rem" className="name">
      <TextInput
        variant="unstyled"
        aria-label={texts.experiment.rename}
        title={texts.experiment.renameHint}
        value={draft ?? experiment.name}
        maxLength={200}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={keep}
        onKeyDown={(event) => {
          if (event.key === 'Enter') keep();
          if (event.key === 'Escape') setDraft(null);
        }}
        error={rename.error?.message}
      />
    </Title>
  );
}
