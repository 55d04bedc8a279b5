import { Button } from '@mantine/core';
import { useInViewport } from '@mantine/hooks';
import { useEffect } from 'react';

import { texts } from '../texts/texts';

/** The end of what is drawn of a list: pressed, or come into sight, it draws what follows. */
export function MoreLines({ left, drawn, onMore }: { left: number; drawn: number; onMore: () => void }) {
  const { ref, inViewport } = useInViewport();
  useEffect(() => {
    if (inViewport) onMore();
    // Once for each step: after it the button stands further down, or is in sight still.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [inViewport, drawn]);
  return (
    <Button ref={ref} variant="subtle" size="compact-xs" fullWidth onClick={onMore}>
      {texts.explore.more(left)}
    </Button>
  );
}
