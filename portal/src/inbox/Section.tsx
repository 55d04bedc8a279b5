import { Card, Stack, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** One step on a file's road, under a heading. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card withBorder component="section" aria-label={title}>
      <Stack gap="sm">
        <Title order={2} fz="h4">
          {title}
        </Title>
        {children}
      </Stack>
    </Card>
  );
}
