using System.Reflection;
using Millrace.Testing;
using Millrace.Testing.Queues;
using Millrace.Testing.Streams;
using Millrace.Tests.Storage.InMemory;
using Xunit;
using Xunit.Sdk;

namespace Millrace.Tests.Testing;

/// <summary>The suites can fail: each test of a law finds a store that breaks it.</summary>
public sealed class ConformanceSuiteTests
{
    [Theory]
    [InlineData(typeof(StoresPiecemeal), "Q1_ABatchWithABadMessage_IsRefusedWhole")]
    [InlineData(typeof(StoresPiecemeal), "Q9_ABatchBeyondMaxLength_IsRefusedWhole")]
    [InlineData(typeof(LosesHeaders), "Q1_AMessage_ArrivesWithEverythingItWasSentWith")]
    [InlineData(typeof(IgnoresIds), "Q2_ARepeatOfALiveMessage_IsADuplicate_AndTheFirstStands")]
    [InlineData(typeof(IgnoresIds), "Q2_ManySendersOfOneId_StoreItOnce")]
    [InlineData(typeof(IgnoresPriorities), "Q3_HigherPriorityFirst_ThenSequence")]
    [InlineData(typeof(IgnoresPriorities), "Q1ToQ12_RandomHistories_AreAnsweredAsTheModelAnswersThem")]
    [InlineData(typeof(IgnoresDelays), "Q4_AMessage_IsNotDeliveredBeforeItsDueTime_AndIsAtIt")]
    [InlineData(typeof(IgnoresExpiry), "Q4_AnExpiredMessage_IsDroppedAndCounted")]
    [InlineData(typeof(SharesDeliveries), "Q5_ADelivery_IsExclusiveUntilItsLeaseEnds")]
    [InlineData(typeof(SharesDeliveries), "Q5_ManyReceivers_NeverHoldOneMessageTogether")]
    [InlineData(typeof(HidesLostLeases), "Q5_ALeaseEndsAtItsTime_NotWhenSomebodyLooks")]
    [InlineData(typeof(HidesLostLeases), "Q5_ATokenSettlesOnce")]
    [InlineData(typeof(RevivesTheCompleted), "Q6_Complete_RemovesTheMessage")]
    [InlineData(typeof(ForgetsErrors), "Q6_DeadLetter_MovesTheMessage_WithReasonErrorAttemptsAndTime")]
    [InlineData(typeof(RenewsNothing), "Q6_Renewing_ProlongsEveryOpenDeliveryToTheFullLease")]
    [InlineData(typeof(CountsNoReleases), "Q7_Leasing_CountsAnAttempt")]
    [InlineData(typeof(CountsNoReleases), "Q1ToQ12_RandomHistories_AreAnsweredAsTheModelAnswersThem")]
    [InlineData(typeof(KeepsWhatItDropped), "Q7_WhatDisposingAReceiverReturns_DoesNotCount")]
    [InlineData(typeof(KeepsWhatItDropped), "Q3_ADroppedReceiver_ReturnsItsMessagesToTheirPlaces")]
    [InlineData(typeof(IgnoresKeys), "Q8_AKeysMessages_AreLeasedOneAtATimeInOrder")]
    [InlineData(typeof(IgnoresKeys), "Q8_ManyConsumers_NeverHoldTwoOfAKey_AndSeeEachKeyInOrder")]
    [InlineData(typeof(HasNoBounds), "Q9_ABatchBeyondMaxBytes_IsRefusedWhole")]
    [InlineData(typeof(StrandsLeases), "Q10_CancellingAWait_NeverStrandsALease")]
    [InlineData(typeof(IgnoresFilters), "Q12_Redriving_TakesAFilter")]
    public async Task AStoreThatBreaksALaw_IsFound(Type broken, string test)
    {
        await RunAsync(typeof(Sound), test);
        var error = await CaughtAsync(broken, test);
        Assert.True(error is not (null or SkipException), $"{test} should fail on a store that {broken.Name}; it gave {error?.ToString() ?? "nothing"}");
    }

    [Theory]
    [InlineData(typeof(AppendsPiecemeal), "S1_AnAppendWithABadRecord_IsRefusedWhole")]
    [InlineData(typeof(AppendsPiecemeal), "S1_AppendersTogether_LeaveNoGap_AndKeepTheirBatchesTogether")]
    [InlineData(typeof(AppendsPiecemeal), "S8_AnAppendThatRepeatsSome_AndAddsOthers_IsRefused")]
    [InlineData(typeof(RoundsTimestamps), "S2_ARecord_ReadsBackAsItWasAppended_BeforeAndAfterAFlush")]
    [InlineData(typeof(RoundsTimestamps), "S1ToS9_RandomHistories_AreAnsweredAsTheModelAnswersThem")]
    [InlineData(typeof(IgnoresPartitionCounts), "S3_AStreamWithoutPartitions_MayBeMadeWithAnotherCount")]
    [InlineData(typeof(DoesNotWait), "S4_AWait_EndsWithTheAppend_AlsoOfAnotherOpening")]
    [InlineData(typeof(DoesNotWait), "S1ToS9_RandomHistories_AreAnsweredAsTheModelAnswersThem")]
    [InlineData(typeof(SkipsWhatIsGone), "S5_ReadingBelowTheStart_NamesTheEarliestOffset_AndSkipsNothing")]
    [InlineData(typeof(SearchesByHalves), "S5_ByTimestamp_TheFirstIsFound_AlsoWhenSendersTimesGoBack")]
    [InlineData(typeof(KeepsOneTooFew), "S5_ByCount_TheLatestAreKept_AndTheOthersGo")]
    [InlineData(typeof(KeepsEverything), "S5_ByAge_TheYoungAreKept_AndTheOldGo")]
    [InlineData(typeof(KeepsEverything), "S5_ByBytes_TheLatestAreKept_AndTheOthersGo")]
    [InlineData(typeof(ForgetsProducers), "S8_ARepeatedAppend_IsStoredOnce_AndToldWhereItIs")]
    [InlineData(typeof(ForgetsProducers), "S1ToS9_RandomHistories_AreAnsweredAsTheModelAnswersThem")]
    public async Task AStreamStoreThatBreaksALaw_IsFound(Type broken, string test)
    {
        await RunAsync(typeof(SoundStreams), test);
        var error = await CaughtAsync(broken, test);
        Assert.True(error is not (null or SkipException), $"{test} should fail on a store that {broken.Name}; it gave {error?.ToString() ?? "nothing"}");
    }

    [Fact]
    public async Task Q8_WhereTheFixtureAllowsIt_IsASkipThatNamesTheLaw()
    {
        var skip = await CaughtAsync(typeof(LacksKeysOpenly), "Q8_AKeysMessages_AreLeasedOneAtATimeInOrder");

        // The running test gives the law, so these two bear its number.
        Assert.IsType<SkipException>(skip);
        Assert.Contains("law Q8: backend 'broken' lacks OrderedKeys", skip.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Q8_WhereTheFixtureDoesNotAllowIt_IsAFailureNotASkip()
    {
        var error = await CaughtAsync(typeof(LacksKeysSecretly), "Q8_AKeysMessages_AreLeasedOneAtATimeInOrder");
        Assert.IsType<TrueException>(error);
        Assert.Contains("LacksKeysSecretly.AllowedSkips", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AContractThatIsNotBound_IsFound()
    {
        var tests = typeof(ConformanceSuiteTests).Assembly;
        await SuiteBindings.AssertCompleteAsync(new InMemoryFixture(), tests, TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAnyAsync<XunitException>(async () => await SuiteBindings.AssertCompleteAsync(new Sound(), tests, TestContext.Current.CancellationToken));
        Assert.Contains("BackendConformance<Sound>, QueueConformance<Sound>, QueueAdminConformance<Sound>", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryTestOfALaw_CarriesItsNumber()
    {
        var tests = SuiteBindings.SuiteOf.Values.SelectMany(suite => suite.GetMethods()).Where(method => method.GetCustomAttribute<FactAttribute>() is not null).ToList();
        Assert.All(tests, test => Assert.Matches("^([QRTSCKV][0-9]+|Q1ToQ12|S1ToS9|Input|Admin|Backend)_", test.Name));

        // S6, S7 and K4 are the client's, the others are the stores'.
        string[] laws =
        [
            .. Enumerable.Range(1, 12).Select(n => $"Q{n}"), "R1", "R2", "T1", "T2", "S1", "S2", "S3", "S4", "S5", "S8", "S9", "C1", "C2", "C3", "C4", "C5", "K1", "K2", "K3", "K5", "V1", "V2", "V3",
        ];
        Assert.All(laws, law => Assert.True(tests.Count(test => test.Name.StartsWith(law + "_", StringComparison.Ordinal)) >= 2, $"{law} has fewer than two tests."));
    }

    // By hand, because xunit's own recorder lets a skip pass through to the runner.
    private static async Task<Exception?> CaughtAsync(Type fixture, string test)
    {
        try
        {
            await RunAsync(fixture, test);
            return null;
        }
        catch (Exception exception)
        {
            return exception;
        }
    }

    private static async Task RunAsync(Type fixture, string test)
    {
        var laws = fixture.IsAssignableTo(typeof(SoundStreams)) ? typeof(StreamLaws<>) : typeof(Laws<>);
        var suite = (IAsyncLifetime)Activator.CreateInstance(laws.MakeGenericType(fixture))!;
        var method = suite.GetType().GetMethod(test) ?? throw new InvalidOperationException($"The suite has no test {test}.");
        await suite.InitializeAsync();
        try
        {
            await (Task)method.Invoke(suite, [])!;
        }
        finally
        {
            await suite.DisposeAsync();
        }
    }

    // Not public, so that the runner does not take it for tests of its own.
    private sealed class Laws<TFixture> : QueueConformance<TFixture>
        where TFixture : BackendFixture, new();

    private sealed class StreamLaws<TFixture> : StreamConformance<TFixture>
        where TFixture : BackendFixture, new();
}
