import { type DragEvent, useState } from 'react';

const TYPE = 'application/x-mip-variables';

/** Lets a pointer carry variables away; whoever receives them asks for the same by keys. */
export function carry(event: DragEvent, codes: readonly string[], label: string): void {
  event.dataTransfer.setData(TYPE, JSON.stringify(codes));
  event.dataTransfer.setData('text/plain', label);
  event.dataTransfer.effectAllowed = 'copyMove';
}

/** The variables that a pointer brings; none where it brings something else. */
export function carried(event: DragEvent): string[] {
  const text = event.dataTransfer.getData(TYPE);
  return text === '' ? [] : (JSON.parse(text) as string[]);
}

/** What makes an element a place for variables; over is true while some are held above it. */
export function useDropPlace(onDrop: (codes: string[]) => void) {
  const [over, setOver] = useState(false);
  return {
    'data-over': over || undefined,
    onDragOver: (event: DragEvent) => {
      if (!event.dataTransfer.types.includes(TYPE)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event: DragEvent) => {
      const codes = carried(event);
      setOver(false);
      if (codes.length === 0) return;
      event.preventDefault();
      onDrop(codes);
    },
  };
}
