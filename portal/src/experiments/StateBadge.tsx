import { Badge } from '@mantine/core';

import type { State } from '../api/client';
import { texts } from '../texts/texts';

const colours: Record<State, string> = {
  queued: 'gray',
  running: 'blue',
  done: 'teal',
  refused: 'orange',
  failed: 'red',
  cancelled: 'gray',
};

/** Where an experiment stands. */
export function StateBadge({ state }: { state: State }) {
  return (
    <Badge color={colours[state]} variant="light" className={`state ${state}`}>
      {texts.experiment.states[state]}
    </Badge>
  );
}
