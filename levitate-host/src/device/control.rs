//! What a test makes a device do, and what it learns of it, whatever the transport: [`controls`].

/// Gives a handle of a device the methods that need nothing but its core, which `with_core` has, and `take_complaints`.
///
/// Where it is used, the types that the methods name are in scope.
macro_rules! controls {
    ($device:ident) => {
        impl<M: DeviceModel> $device<M> {
            /// Changes switches at run time.
            pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
                self.with_core(|core| change(&mut core.behaviour));
            }

            /// Makes the device answer in this way from now on.
            pub fn set_completion(&self, completion: Completion) {
                self.behave(|behaviour| behaviour.completion = completion);
            }

            /// Looks into the model, or changes it without the driver being told.
            ///
            /// The device is locked meanwhile: do not touch its registers or move the clock in `look`.
            pub fn model<R>(&self, look: impl FnOnce(&mut M) -> R) -> R {
                self.with_core(|core| look(&mut core.model))
            }

            /// Changes the model's configuration as a device does: with a new generation and a notification.
            pub fn change_config<R>(&self, change: impl FnOnce(&mut M) -> R) -> R {
                self.with_core(|core| core.change_config(change))
            }

            /// Does [`change_config`](Self::change_config) right after the driver has read configuration `reads` more times.
            pub fn change_config_after_reads(
                &self,
                reads: u32,
                change: impl FnOnce(&mut M) + Send + 'static,
            ) {
                self.with_core(|core| {
                    let changes = &mut core.config_changes;
                    changes.push((reads.max(1), Box::new(change)));
                });
            }

            /// Makes the device lie with its next answer that no earlier fault is for.
            pub fn inject(&self, fault: Fault) {
                self.with_core(|core| core.faults.push_back(fault));
            }

            /// Makes the device lie with every answer, or with none.
            pub fn inject_always(&self, fault: Option<Fault>) {
                self.with_core(|core| core.constant_fault = fault);
            }

            /// Sets DEVICE_NEEDS_RESET.
            pub fn set_needs_reset(&self) {
                self.with_core(|core| core.set_needs_reset());
            }

            /// Returns queue and head, or buffer ID, of each request that waits for an answer, oldest first.
            #[must_use]
            pub fn waiting(&self) -> Vec<(u16, u16)> {
                self.with_core(|core| core.waiting())
            }

            /// Answers the oldest request that waits; false if none does.
            pub fn release_one(&self) -> bool {
                self.release_at(0)
            }

            /// Answers the request at `position` in [`waiting`](Self::waiting), out of order; false if there is none.
            ///
            /// With VIRTIO_F_IN_ORDER those before it in its queue are answered too.
            pub fn release_at(&self, position: usize) -> bool {
                self.with_core(|core| core.answer_at(position))
            }

            /// Answers all requests that wait, oldest first, and returns how many.
            pub fn release_all(&self) -> usize {
                self.with_core(|core| core.answer_all())
            }

            /// Writes `avail_event` of `queue`, or of a packed one offset and wrap counter of the device event suppression;
            /// [`Suppression::Frozen`](crate::device::Suppression) keeps it.
            ///
            /// # Panics
            ///
            /// If the queue is not enabled.
            pub fn set_available_event(&self, queue: u16, value: u16) {
                self.with_core(|core| {
                    core.queues[usize::from(queue)]
                        .set_available_event(value, &core.memory)
                        .expect("the queue is enabled");
                });
            }

            /// Writes `used.flags` of `queue`, or of a packed one the flags of the device event suppression.
            ///
            /// # Panics
            ///
            /// If the queue is not enabled.
            pub fn set_used_flags(&self, queue: u16, value: u16) {
                self.with_core(|core| {
                    core.queues[usize::from(queue)]
                        .set_used_flags(value, &core.memory)
                        .expect("the queue is enabled");
                });
            }

            /// Notifies the driver of used buffers in `queue`, for no reason.
            ///
            /// # Panics
            ///
            /// If there is no such queue.
            pub fn interrupt_for_queue(&self, queue: u16) {
                self.with_core(|core| {
                    assert!(usize::from(queue) < core.queues.len(), "no queue {queue}");
                    core.signal(Source::Queue(queue));
                });
            }

            /// Notifies the driver of a change of the configuration that did not happen.
            pub fn interrupt_for_config(&self) {
                self.with_core(|core| core.signal(Source::Config));
            }

            /// Returns how often the device has sent a notification, by MSI-X or by the line, masked or not.
            #[must_use]
            pub fn interrupts_raised(&self) -> usize {
                self.with_core(|core| core.interrupts_raised)
            }

            /// Returns the device status without the driver having read it.
            #[must_use]
            pub fn status(&self) -> u8 {
                self.with_core(|core| core.status)
            }

            /// Returns the features that hold, 0 before they are agreed on.
            #[must_use]
            pub fn negotiated(&self) -> u64 {
                self.with_core(|core| core.negotiated())
            }

            /// Returns size and place of `queue`, if it is enabled.
            #[must_use]
            pub fn queue(&self, queue: u16) -> Option<(u16, Areas)> {
                self.with_core(|core| {
                    let queue = core.queues.get(usize::from(queue))?;
                    queue.is_enabled().then(|| (queue.size(), queue.areas()))
                })
            }

            /// Returns how many chains were made available in `queue` that the device has not looked at: 0 unless it lacks a notification.
            ///
            /// # Panics
            ///
            /// If the available ring is out of reach.
            #[must_use]
            pub fn unseen(&self, queue: u16) -> u16 {
                self.with_core(|core| {
                    core.queues
                        .get(usize::from(queue))
                        .filter(|queue| queue.is_enabled())
                        .map_or(0, |queue| {
                            queue.unseen(&core.memory).expect("the ring is there")
                        })
                })
            }

            /// Returns why the device gave up on a queue, if it did.
            #[must_use]
            pub fn ring_errors(&self) -> Vec<RingError> {
                self.with_core(|core| core.ring_errors.clone())
            }

            /// Returns why the device gave up on a queue, and forgets it.
            #[must_use]
            pub fn take_ring_errors(&self) -> Vec<RingError> {
                self.with_core(|core| std::mem::take(&mut core.ring_errors))
            }

            /// Returns the rules the driver has broken.
            #[must_use]
            pub fn violations(&self) -> Vec<Violation> {
                self.with_core(|core| core.violations.as_slice().to_vec())
            }

            /// Returns the rules the driver has broken, and forgets them.
            #[must_use]
            pub fn take_violations(&self) -> Vec<Violation> {
                self.with_core(|core| core.violations.take())
            }

            /// Checks that the driver did nothing wrong as far as the device can see.
            ///
            /// A device that goes away checks it as well; this is for a time of the test's choice.
            ///
            /// # Panics
            ///
            /// If there are violations, guest errors or ring errors; the message lists them, and they are forgotten.
            pub fn assert_clean(&self) {
                refuse(&self.take_complaints());
            }
        }
    };
}

pub(crate) use controls;
