import { Stack } from '@mantine/core';

import type { Outcome } from '../api/client';
import { VegaChart } from '../charts/VegaChart';
import { ResultTable } from './ResultTable';

/** The tables and charts of a result, in its own order. */
export function Views({ views, only }: { views: Outcome['views']; only?: 'table' | 'chart' }) {
  return (
    <Stack gap="xl">
      {views
        .filter((view) => !only || view.kind === only)
        .map((view, index) =>
          view.kind === 'chart' ? (
            <VegaChart key={`${index}-${view.title}`} chart={view} />
          ) : (
            <ResultTable key={`${index}-${view.title}`} table={view} />
          ),
        )}
    </Stack>
  );
}
