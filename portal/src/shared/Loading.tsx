import { Skeleton, Stack } from '@mantine/core';

import { texts } from '../texts/texts';

/** The shape of what is on its way. */
export function Loading({ lines = 6 }: { lines?: number }) {
  return (
    <Stack gap="xs" role="status" aria-label={texts.loading} p="xs">
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={14} width={`${90 - ((index * 17) % 45)}%`} />
      ))}
    </Stack>
  );
}
