import { Tabs } from '@mantine/core';

import type { Outcome } from '../api/client';
import { texts } from '../texts/texts';
import { Views } from './Views';

/** A result: of several analyses the comparison, then each one's own views. */
export function Answers({ outcome, first }: { outcome: Outcome; first: string }) {
  const compared = outcome.compared;
  if (!compared.length) return <Views views={outcome.views} />;
  const answers = [{ label: first, views: outcome.views }, ...compared];
  return (
    <>
      <Views views={outcome.comparison} />
      <Tabs defaultValue="0" keepMounted={false}>
        <Tabs.List aria-label={texts.compare.tabs}>
          {answers.map((answer, place) => (
            <Tabs.Tab key={place} value={String(place)}>
              {answer.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {answers.map((answer, place) => (
          <Tabs.Panel key={place} value={String(place)} pt="lg">
            <Views views={answer.views} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </>
  );
}
