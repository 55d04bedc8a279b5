import { Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** What stands where there is nothing yet, and how to get something there. */
export function Empty({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }) {
  return (
    <Stack className="empty" align="center" gap="xs">
      <Title order={2} fz="h4">
        {title}
      </Title>
      {hint && (
        <Text c="dimmed" size="sm" ta="center" maw="52ch">
          {hint}
        </Text>
      )}
      {children}
    </Stack>
  );
}
