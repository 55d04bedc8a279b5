import { Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';

import { api } from '../api/client';
import { texts } from '../texts/texts';

/** About how many patients a filter chooses, told while it is being built. */
export function CohortCounter({
  model,
  datasets,
  filters,
}: {
  model: string;
  datasets: string[];
  filters: Record<string, unknown> | null;
}) {
  const [asked] = useDebouncedValue(JSON.stringify({ data_model: model, datasets, filters }), 400);
  const count = useQuery({
    queryKey: ['count', asked],
    queryFn: () => api.count(JSON.parse(asked) as Parameters<typeof api.count>[0]),
    enabled: datasets.length > 0,
    placeholderData: (before) => before,
  });
  if (!count.data) return <Text size="sm">{count.error ? count.error.message : '…'}</Text>;
  const { patients, minimum } = count.data;
  return (
    <Text size="sm" fw={550} aria-live="polite">
      {patients === null ? texts.analysis.fewer(minimum) : texts.analysis.about(patients)}
    </Text>
  );
}
