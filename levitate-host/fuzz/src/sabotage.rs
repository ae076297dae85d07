//! Bugs that a driver could have, to show that the oracle finds them: [`Sabotage`].

/// What is done wrong between the driver and the device, in place of the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// Time stands still for the driver, so that its waits have no end.
    FrozenClock,
    /// A register is read again and again, without a look at the clock.
    BlindLoop,
    /// The driver's time passes at a sixteenth of the real pace, so that its waits are too long.
    SlowClock,
    /// Memory that is given back is kept.
    Leak,
    /// Memory of a queue is given back while the device may use it: it does not know that it was reset.
    EarlyRelease,
    /// The device is told of a queue that is elsewhere.
    WrongAddress,
    /// The device is never told that the driver is ready.
    NotReady,
    /// A request's buffer is taken for returned when the device still has it.
    TakenEarly,
    /// A request is taken for returned twice.
    ///
    /// The program's account is what is wrong, not the driver: it owns the buffers it hands out, and nothing between
    /// driver and device can make it hand out one that it has no more. The oracle is for a driver that comes to do so by `unsafe`.
    TakenTwice,
    /// What a reset of the queue gives back is given back twice; again it is the account that is wrong.
    BackTwice,
    /// A token of before a reset of the queue is taken for one of after it.
    OldToken,
    /// The driver wishes to be notified one request later than it waits for.
    LateEvent,
    /// Registers are read past their end.
    OutsideRegisters,
    /// One request more is counted than the device is done with.
    Miscounted,
    /// The wrap counter of a packed ring never turns; it is not the driver's but that of the model it is compared with, as is what
    /// follows.
    StaleWrap,
    /// Of what is done in order, only the last of a batch is taken.
    LastAlone,
    /// A request is taken ahead of the others although it is another that is used next, or all are used in order.
    OutOfTurn,
    /// What is done is found in the order in which it was submitted last.
    WrongOrder,
    /// One request more was used, by the device's word, than there is to be found.
    Overlooked,
    /// Where the device left a footer alone, it is as an earlier request's.
    StaleFooter,
    /// The driver sees the same generation whatever changes, and takes a configuration of which it has read one half before a change,
    /// the other after it.
    TornConfig,
    /// A picture is larger than pictures are.
    HugePicture,
    /// The driver takes every BAR for twice as large as it is.
    WideBars,
}
