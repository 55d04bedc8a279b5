import { Badge, Group } from '@mantine/core';

import type { InboxEntry, ItemState } from '../api/data';
import { texts } from '../texts/texts';

const t = texts.inbox;
const colours: Record<ItemState, string> = {
  arriving: 'gray',
  looking: 'blue',
  unmatched: 'gray',
  troubled: 'red',
  ready: 'blue',
  publishing: 'blue',
  published: 'teal',
};

/** How far a file has come, and whether it is still there. */
export function ItemBadge({ item }: { item: InboxEntry }) {
  return (
    <Group gap={4}>
      <Badge color={colours[item.state]} variant="light" className={`state ${item.state}`}>
        {t.states[item.state]}
      </Badge>
      {item.gone && (
        <Badge color="orange" variant="light" className="state refused" title={t.goneHint}>
          {t.gone}
        </Badge>
      )}
    </Group>
  );
}
