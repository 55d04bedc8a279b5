import { Badge } from '@mantine/core';

import { texts } from '../texts/texts';

/** Marks invented data wherever it is named. */
export function SyntheticBadge() {
  return (
    <Badge size="xs" color="orange" variant="light" className="synthetic" title={texts.syntheticHint} tt="none">
      {texts.synthetic}
    </Badge>
  );
}
