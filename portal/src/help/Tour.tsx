import { Button, Group, Paper, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';

import { texts } from '../texts/texts';
import { isNew, rememberTour, takeBeginning } from './tour-state';

const t = texts.help.tour;
/** What each step is about, in the order of its texts. */
const PLACES = ['datasets', 'variables', 'variable', 'analysis', 'experiments'];

/** Offers the tour on the first visit, in the page itself, and leads through it. */
export function TourOffer() {
  const [step, setStep] = useState<number | null>(() => (takeBeginning() ? 0 : null));
  const [offered, setOffered] = useState(isNew);
  const close = () => {
    rememberTour();
    setOffered(false);
    setStep(null);
  };
  if (step !== null) return <Tour step={step} onStep={setStep} onEnd={close} />;
  if (!offered) return null;
  return (
    <Paper withBorder p="sm" role="note">
      <Group justify="space-between">
        <Text size="sm">{t.offer}</Text>
        <Group gap="xs">
          <Button size="xs" onClick={() => setStep(0)}>
            {t.start}
          </Button>
          <Button size="xs" variant="default" onClick={close}>
            {t.later}
          </Button>
        </Group>
      </Group>
    </Paper>
  );
}

function Tour({ step, onStep, onEnd }: { step: number; onStep: (step: number) => void; onEnd: () => void }) {
  const card = useRef<HTMLDivElement>(null);
  const [title, text] = t.steps[step] ?? ['', ''];
  const place = PLACES[step] ?? '';
  useEffect(() => {
    const shown = document.querySelector(`[data-tour="${place}"]`);
    shown?.classList.add('toured');
    shown?.scrollIntoView({ block: 'nearest' });
    // The card is fixed in the window: taking the focus must not move the page behind it.
    card.current?.focus({ preventScroll: true });
    return () => shown?.classList.remove('toured');
  }, [place]);
  const last = step === t.steps.length - 1;
  return (
    <Paper
      ref={card}
      className="tour"
      withBorder
      shadow="lg"
      p="md"
      role="dialog"
      aria-label={t.title}
      aria-describedby="tour-step"
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onEnd();
      }}
    >
      <Text size="xs" c="dimmed">
        {t.step(step + 1, t.steps.length)}
      </Text>
      <div id="tour-step">
        <Text fw={620}>{title}</Text>
        <Text size="sm">{text}</Text>
      </div>
      <Group justify="space-between" mt="sm">
        <Button size="xs" variant="subtle" onClick={onEnd}>
          {t.end}
        </Button>
        <Group gap="xs">
          {step > 0 && (
            <Button size="xs" variant="default" onClick={() => onStep(step - 1)}>
              {t.back}
            </Button>
          )}
          <Button size="xs" onClick={() => (last ? onEnd() : onStep(step + 1))}>
            {last ? t.done : t.next}
          </Button>
        </Group>
      </Group>
    </Paper>
  );
}
