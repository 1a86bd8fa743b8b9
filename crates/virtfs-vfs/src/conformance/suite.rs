//! The list of cases, and what runs them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Makes a `#[test]` of each case of the suite. Takes a function that gives a fresh fixture for
/// every case; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! conformance_suite {
    ($fresh:expr) => {
        $crate::conformance_suite! { @list tests $fresh }
    };
    (@tests [$fresh:expr] $($group:ident { $($case:ident)* })*) => {
        $($(
            #[test]
            fn $case() {
                $crate::conformance::check($fresh, stringify!($case));
            }
        )*)*
    };
    (@table [] $($group:ident { $($case:ident)* })*) => {
        &[$($((stringify!($case), $group::$case),)*)*]
    };
    (@list $then:ident $($context:tt)*) => {
        $crate::conformance_suite! { @$then [$($context)*]
            walk {
                a_walk_without_names_stays
                sixteen_names_are_walked_at_once
                a_missing_name_ends_a_walk_behind_what_was_there
                dotdot_at_the_root_stays
                dotdot_leads_to_the_parent
                dotdot_follows_a_directory_that_moved
                dot_stays
                nothing_is_below_a_file
                a_walk_reaches_a_symlink_and_not_its_target
                qid_paths_tell_files_apart
                the_root_is_a_directory
                a_path_longer_than_path_max_is_walked
            }
            create {
                a_created_file_is_open_and_empty
                a_create_opens_what_exists
                an_exclusive_create_refuses_what_exists
                a_create_cuts_what_exists_if_asked
                a_create_over_a_directory_is_refused
                a_create_follows_no_symlink
                a_create_opens_no_special_file
                a_create_needs_a_directory
                a_created_file_has_the_mode_that_was_asked_for
                a_new_file_is_open_though_its_mode_forbids_it
                what_is_made_belongs_to_user_and_group
                odd_names_are_names
                names_that_differ_in_case_are_two
            }
            make {
                a_new_directory_is_empty
                a_new_directory_has_the_mode_that_was_asked_for
                a_symlink_keeps_its_text
                only_symlinks_can_be_read_as_such
                fifos_and_sockets_can_be_made_and_not_opened
                a_regular_file_can_be_made_without_opening_it
                device_nodes_keep_their_number_and_are_not_opened
                nothing_is_made_over_what_exists
                something_is_made_in_directories_only
                a_symlink_is_not_opened
            }
            link {
                a_link_is_the_same_file
                a_link_is_not_made_over_what_exists
                a_directory_has_one_name
                a_link_to_a_symlink_is_one_to_the_symlink
                a_link_is_made_in_directories_only
                a_removed_file_gets_no_new_name
                a_file_lives_until_its_last_name_goes
            }
            rename {
                a_renamed_file_keeps_all_but_its_name
                a_file_moves_between_directories
                a_rename_replaces_a_file
                a_rename_replaces_an_empty_directory
                a_rename_replaces_no_directory_that_is_not_empty
                a_directory_does_not_replace_a_file
                a_file_does_not_replace_a_directory
                a_directory_does_not_move_below_itself
                nothing_replaces_a_directory_that_it_is_in
                what_is_missing_is_not_renamed
                two_names_of_one_file_stay
                a_rename_to_the_same_name_changes_nothing
                a_rename_needs_a_directory_that_is_there
                a_symlink_moves_and_not_its_target
                a_node_is_renamed_wherever_it_has_moved
                of_two_names_the_one_that_was_walked_is_renamed
                nodes_below_a_directory_move_along
                a_replaced_node_does_not_rename_its_successor
                the_root_is_not_renamed
                special_files_keep_kind_and_mode_over_a_rename
            }
            remove {
                a_file_is_removed_once
                a_directory_is_not_removed_as_a_file
                a_file_is_not_removed_as_a_directory
                only_empty_directories_are_removed
                either_removes_whatever_it_is
                a_symlink_is_removed_and_not_its_target
                of_two_names_the_one_that_was_walked_is_removed
                of_two_names_in_one_directory_the_right_one_is_removed
                a_node_is_removed_where_it_has_moved
                a_node_is_removed_though_its_directory_moved
                a_node_is_removed_once
                a_removed_node_does_not_remove_its_successor
                a_replaced_node_does_not_remove_its_successor
                the_root_is_not_removed
                nothing_is_removed_from_a_file
                a_removed_directory_holds_nothing
            }
            unlinked {
                an_unlinked_file_is_read_and_written
                the_attributes_of_an_unlinked_file_are_known
                an_unlinked_file_is_cut_and_extended
                mode_and_times_of_an_unlinked_file_are_set
                the_owner_of_an_unlinked_file_is_set
                an_unlinked_file_has_extended_attributes
                an_unlinked_file_is_locked
                an_unlinked_file_is_opened_once_more
                the_successor_of_an_unlinked_file_is_another
                a_replaced_file_lives_on
                an_open_directory_outlives_its_removal
            }
            io {
                a_read_starts_at_its_offset
                a_write_changes_its_bytes_alone
                an_empty_write_changes_nothing
                a_hole_reads_as_zeros
                a_large_file_is_what_was_written
                an_append_goes_to_the_end_whatever_its_offset
                two_appenders_overwrite_nothing
                an_open_that_truncates_leaves_nothing
                a_file_is_used_only_as_it_was_opened
                a_directory_is_opened_for_reading_alone
                a_file_is_not_opened_as_a_directory
                a_directory_is_not_read_and_a_file_not_listed
                two_open_files_of_one_file_see_each_other
                flags_that_concern_storage_are_accepted
                a_write_where_no_file_reaches_is_refused
                an_open_file_outlives_its_node
            }
            attributes {
                a_file_is_cut
                a_file_is_extended_by_zeros
                only_files_have_a_length_to_set
                a_length_that_no_file_has_is_refused
                a_write_drops_setuid_and_setgid
                a_new_length_drops_setuid_and_setgid
                every_permission_bit_is_kept
                type_bits_of_a_new_mode_are_ignored
                the_mode_of_a_fifo_is_set
                owner_and_group_are_set_apart
                times_are_set_to_the_nanosecond
                a_time_that_is_not_named_stays
                a_change_of_content_moves_the_modification_time
                a_change_of_entries_moves_the_modification_time
                every_change_moves_the_change_time
                the_change_time_is_moved_by_itself
                nothing_to_set_is_no_error
                attributes_are_set_together
                no_attribute_that_is_set_undoes_another
                size_and_blocks_follow_the_content
                a_qid_version_follows_the_content
                a_generation_stays
                a_birth_time_stays
                an_open_file_has_its_nodes_attributes
            }
            list {
                an_empty_directory_holds_the_dots
                an_entry_tells_what_its_file_is
                the_parent_of_the_root_is_the_root_in_its_list
                a_list_goes_on_behind_every_cookie
                an_entry_that_was_refused_is_not_lost
                two_lists_of_one_open_directory_do_not_meet
                a_thousand_entries_are_listed_once_each
                changes_during_a_list_lose_nothing_that_stays
                removing_all_that_was_listed_empties_a_directory
                a_list_from_the_start_shows_what_is_new
                long_names_are_listed_whole
                an_open_directory_moves_along
            }
            xattrs {
                an_attribute_is_put_got_listed_and_removed
                a_value_is_any_bytes_or_none
                create_refuses_what_is_there
                replace_refuses_what_is_not_there
                a_missing_attribute_is_no_data
                what_is_beyond_the_limit_is_too_big
                namespaces_that_do_not_exist_are_refused
                attributes_belong_to_the_file_and_not_to_a_name
                an_acl_is_kept
            }
            locks {
                two_owners_exclude_each_other
                readers_share
                ranges_that_do_not_meet_do_not_conflict
                an_owner_is_not_in_its_own_way
                a_lock_that_is_refused_changes_nothing
                a_part_is_released
                a_release_of_what_is_not_held_is_no_error
                a_test_names_what_is_in_the_way
                locks_end_with_their_owner
                locks_outlive_open_files_and_nodes
                a_file_is_locked_by_any_of_its_names
                a_file_open_for_reading_is_locked_for_writing
                a_directory_is_locked_as_a_whole
            }
            errors {
                a_foreign_node_is_refused
                a_foreign_open_file_is_refused
                what_fails_leaves_everything_as_it_was
                the_state_of_the_whole_is_sane
            }
            threads {
                one_of_many_makes_an_exclusive_file
                appends_of_many_are_never_mixed
                a_directory_is_changed_by_many
                one_entry_is_removed_by_one
                a_node_renamed_by_many_has_one_name
            }
        }
    };
}

type Case = (&'static str, fn(&Fixture));

const CASES: &[Case] = conformance_suite! { @list table };

/// How a case ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It was not run, for the reason that [`Fixture::except`] was given.
    LeftOut(&'static str),
}

/// The names of all cases.
pub fn cases() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Runs one case by its name, on a fixture made for it.
///
/// # Panics
///
/// If the case fails or does not exist, or if an exception names a case that does not exist.
pub fn check(fresh: impl Fn() -> Fixture, case: &str) {
    let found = CASES.iter().find(|(name, _)| *name == case);
    let Some((_, run)) = found else {
        panic!("no case is called {case}");
    };
    let fixture = fresh();
    for name in fixture.exceptions() {
        assert!(cases().any(|it| it == name), "no case is called {name}");
    }
    match fixture.exception(case) {
        Some(reason) => eprintln!("left out: {reason}"),
        None => run(&fixture),
    }
}

/// Runs all cases, for harnesses other than `cargo test`; what failed has said so on standard
/// error.
pub fn run(fresh: impl Fn() -> Fixture) -> Vec<(&'static str, Outcome)> {
    let outcome = |(name, run): &Case| {
        let fixture = fresh();
        let outcome = match fixture.exception(name) {
            Some(reason) => Outcome::LeftOut(reason),
            None => match catch_unwind(AssertUnwindSafe(|| run(&fixture))) {
                Ok(()) => Outcome::Passed,
                Err(_) => Outcome::Failed,
            },
        };
        (*name, outcome)
    };
    CASES.iter().map(outcome).collect()
}
