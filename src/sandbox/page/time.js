// Unix seconds as people read them, in the browser's time zone.

/** Hours and minutes. */
export const clock = (unix) => new Date(unix * 1000)
  .toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** Date and time in the reader's own way. */
export const exact = (unix) => new Date(unix * 1000).toLocaleString();

/** What a day's separator says. */
export const day = (unix) => {
  const date = new Date(unix * 1000);
  if (date.toDateString() === new Date().toDateString()) return 'Today';
  return date.toLocaleDateString('en', { day: 'numeric', month: 'long' });
};
