import { Badge } from '@mantine/core';

import type { Standing } from '../api/scans';
import { texts } from '../texts/texts';

const colours: Record<Standing, string> = { waiting: 'orange', accepted: 'teal', rejected: 'red', 'to be measured anew': 'blue' };

/** Where a measured scan stands. */
export function StandingBadge({ standing }: { standing: Standing | null }) {
  if (standing === null) return null;
  return (
    <Badge color={colours[standing]} variant="light" className="state">
      {texts.review.standings[standing]}
    </Badge>
  );
}
