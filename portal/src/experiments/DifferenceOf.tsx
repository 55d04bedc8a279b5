import { Select, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { api } from '../api/client';
import { ProblemAlert } from '../shared/ProblemAlert';
import { locale, texts } from '../texts/texts';
import { DifferenceView } from './DifferenceView';

const t = texts.experiments.difference;
const OFFERED = 100;

/** An experiment beside any other that is done: at first the one that it asks again, where it does. */
export function DifferenceOf({ id, origin }: { id: string; origin: string | null }) {
  const [other, setOther] = useState(origin);
  const done = useQuery({ queryKey: ['experiments', 'done'], queryFn: () => api.experiments({ state: 'done' }, OFFERED, 0) });
  const offered = (done.data?.items ?? [])
    .filter((one) => one.id !== id)
    .map((one) => {
      const label = `${one.name} · ${new Date(one.created).toLocaleString(locale)}`;
      return { value: one.id, label: one.id === origin ? t.asked(label) : label };
    });
  // The one that is asked again may be older than those that are offered.
  if (origin !== null && !offered.some((one) => one.value === origin)) offered.unshift({ value: origin, label: t.asked(origin.slice(0, 8)) });
  return (
    <Stack gap="lg">
      <Select
        label={t.with}
        description={t.withHint}
        placeholder={t.choose}
        data={offered}
        value={other}
        onChange={setOther}
        searchable
        allowDeselect={false}
        maw="40rem"
      />
      <ProblemAlert error={done.error} onRetry={() => void done.refetch()} />
      {other !== null && <DifferenceView key={other} id={id} other={other} />}
    </Stack>
  );
}
